"""The guest's clock: what chrony says of it, and how far it is from this machine's."""

from __future__ import annotations

import time

from hosts.agent import GuestAgent
from smoke.reading import CHRONY
from smoke.verdict import Line, Verdict

BOUND = 1.0
"""Seconds that a guest's clock may differ from this machine's: far more than NTP leaves, and less than a log bears."""

_FIRST_LOOK = 60.0
"""Seconds after its start until chrony must have heard its servers, however slow the guest is."""


def synchronised(agent: GuestAgent, said: str | None = None) -> tuple[Line, bool]:
    """chrony's own word, and whether it is final: `chronyc -c tracking` ends with the leap status.

    Its fifth field is the offset. A chrony that trusts its servers has stepped the clock already, or never will; one
    that has run for long has lost them, and with a clock that is off there is nothing to wait for.
    """
    if said is None:
        said = agent.exec(["/bin/bash", "-c", CHRONY]).stdout.decode(errors="replace").strip()
    fields, age = said.partition("\n")[0].split(","), said.rpartition("\n")[2]
    heard = len(fields) > 10 and fields[-1] == "Normal"
    good = heard and abs(float(fields[4])) < BOUND
    found = (
        f"{fields[-1].lower()}, {abs(float(fields[4])) * 1000:.1f} ms off" if len(fields) > 10 else "chrony is silent"
    )
    old = age.isdigit() and int(age) > _FIRST_LOOK
    final = heard or (old and against_this_machine(agent).verdict is not Verdict.PASS)
    verdict = Verdict.PASS if good else Verdict.FAIL
    return Line("clock synchronised", found, f"normal, < {BOUND:g} s off", verdict), final


def against_this_machine(agent: GuestAgent) -> Line:
    """chrony calls a clock that was set by hand synchronised until it looks again: so another clock is asked too."""
    before = time.time()
    guest = agent.command("guest-get-time") / 1e9
    after = time.time()
    off = max(before - guest, guest - after, 0.0)
    verdict = Verdict.PASS if off <= BOUND else Verdict.FAIL
    return Line("clock against this machine's", f"{off:.1f} s off", f"≤ {BOUND:g} s", verdict)
