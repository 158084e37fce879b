"""The states that libvirt has for a domain, and what brings each of them back into service. Pure.

In virsh's words: `virsh domstate --reason` says such as `paused (I/O error)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Remedy = Literal["", "start", "resume", "dompmwakeup", "destroy"]

_RUNNING = ("running", "idle", "blocked")
"""`idle` is virsh's word for a guest that waits for something: blocked."""

_PAUSED_FOR_GOOD = ("crashed", "watchdog", "post-copy failed")
"""To resume such a guest is to go on with one that has crashed, or that has half of its memory elsewhere."""

_PAUSED_FOR_A_WHILE = (
    "migrating", "post-copy", "saving", "dumping", "creating snapshot", "from snapshot", "starting up", "shutting down",
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """One state of a domain, and libvirt's reason for it."""

    name: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name

    @property
    def runs(self) -> bool:
        """Whether the guest goes on by itself, and can be asked."""
        return self.name in _RUNNING

    @property
    def off(self) -> bool:
        """Whether nothing of the guest is left but its definition."""
        return self.name == "shut off"

    @property
    def stood_still(self) -> bool:
        """Whether a guest that goes on from here has a clock that stood still meanwhile."""
        return self.remedy in ("resume", "dompmwakeup") or (self.off and self.reason in ("saved", "from snapshot"))

    @property
    def ends(self) -> bool:
        """Whether nothing of the guest goes on any more, though libvirt has not put it away."""
        return self.name != "paused" and self.passes

    @property
    def remedy(self) -> Remedy:
        """The virsh command that leads on from here; none where the guest runs, or is on its way to another state."""
        match self.name:
            case "shut off":
                return "start"
            case "crashed":
                return "destroy"
            case "pmsuspended":
                return "dompmwakeup"
            case "paused" if self.reason in _PAUSED_FOR_GOOD:
                return "destroy"
            case "paused" if self.reason not in _PAUSED_FOR_A_WHILE:
                return "resume"
            case _:
                return ""

    @property
    def passes(self) -> bool:
        """Whether another state follows by itself: in shutdown, dying, no state, and those that libvirt will have."""
        return not self.runs and not self.remedy


def read_state(text: str) -> State:
    """What `virsh domstate`, with `--reason` or without, has printed."""
    name, reason = re.fullmatch(r"(.*?)(?: \((.*)\))?", text.strip(), re.DOTALL).groups("")  # type: ignore[union-attr]
    return State(name, reason)
