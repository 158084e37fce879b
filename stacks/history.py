"""What the last successful deployment said of itself, and what follows from it for this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Placed:
    """Where a gateway stood: the host's name in the stack file, and the machine's own UUID."""

    hypervisor: str
    machine: str


def generation(proofs: Mapping[str, Any] | None, gateway: str, boot: str | None) -> int:
    """The number of a gateway's proof: the next one, unless the guest runs that was proved last.

    `proofs` is what the last deployment exported; `boot` is the boot ID of the guest that runs now, if one does.
    """
    last = (proofs or {}).get(gateway)
    if last is None:
        return 1
    return int(last["generation"]) + (boot is None or boot != last["boot"])


def moved(before: Mapping[str, Any] | None, now: Mapping[str, Placed]) -> list[str]:
    """A sentence for each gateway that would lose its data volume by standing on another machine."""
    found = []
    for name, placed in now.items():
        last = (before or {}).get(name)
        if last is None or last == asdict(placed):
            continue
        if last["hypervisor"] != placed.hypervisor:
            found.append(f"{name} stands on {last['hypervisor']}, and {placed.hypervisor} is declared.")
        else:
            found.append(
                f"{name} stands on {placed.hypervisor}, which was the machine {last['machine']}; its URI now leads to "
                f"{placed.machine}."
            )
    return found
