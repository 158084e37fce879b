"""Whether a guest's kernel has given up. libvirt calls such a guest running: its console alone tells."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor

PANICKED = (
    "the kernel of {name} has panicked and stands still: {why}. What led there is on its console (the evidence of this "
    "check has it). `make stop {which}`, which has to cut it off, and `make start {which}` boot it again."
)

_LINE = re.compile(r"\[ *(?P<at>\d+\.\d+)\].*?(---\[ end Kernel panic - not syncing: (?P<why>.*?) \]---|$)")
"""A line of the kernel, and the one that ends its report of a panic."""


def panic(console: Sequence[str]) -> str | None:
    """Why the kernel has panicked, if that is the last that the console's lines tell of it."""
    why, at = None, 0.0
    for text in console:
        line = _LINE.match(text)
        if line and line["why"]:
            why, at = line["why"], float(line["at"])
        elif not line or float(line["at"]) < at:
            why = None  # firmware, boot loader or the next kernel
    return why


class PanicWatch:
    """Looks at the console of one domain every so many seconds, while nothing else is heard of the guest."""

    def __init__(self, hypervisor: Hypervisor, domain: str, every: float) -> None:
        self._hypervisor, self._domain, self._every = hypervisor, domain, every
        self._next = time.monotonic() + every
        self._before: Sequence[str] = ()

    def look(self) -> str | None:
        """Why the guest's kernel has panicked; None while it has not, or not for two looks: it may reset itself."""
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + self._every
        try:
            log = self._hypervisor.look(self._domain).console_log
        except HypervisorError:
            return None  # whoever waits finds out why
        now = self._hypervisor.console_tail(log) if log else []
        before, self._before = self._before, now
        return panic(now) if now == before else None
