"""What the last successful deployment said of itself, and what follows from it for this one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Present:
    """A gateway as it is found now, before anything is decided about it."""

    hypervisor: str
    """Its host's name in the stack file."""
    machine: str
    """The UUID of the machine that this name leads to."""
    boot: str | None
    """The boot ID of its guest, if that runs and answers."""
    defined: bool
    """Whether its domain is there."""
    volumes: Collection[str]
    """Names, in its pools."""


def generation(last: Mapping[str, Any] | None, present: Present) -> int:
    """The number of a gateway's proof: the next one, unless the guest runs that was proved last.

    `last` is what the last deployment exported about the gateway.
    """
    if last is None:
        return 1
    return int(last["generation"]) + (present.boot is None or present.boot != last["boot"])


def incarnation(last: Mapping[str, Any] | None, present: Present) -> int:
    """The number of a gateway's guest, from 0: another one when parts of it were deleted behind Pulumi's back."""
    if last is None:
        return 0
    whole = present.defined and all(name in present.volumes for name in last["volumes"])
    return int(last["incarnation"]) + (not whole)


def refusals(before: Mapping[str, Any] | None, now: Mapping[str, Present], data: Mapping[str, str]) -> list[str]:
    """A sentence for each gateway that would stand without its data; `data` names its data volume.

    `before` is what the last deployment exported, by gateway.
    """
    found = []
    for name, present in now.items():
        last = (before or {}).get(name)
        if last is None:
            continue
        if last["hypervisor"] != present.hypervisor:
            found.append(f"{name} stands on {last['hypervisor']}, and {present.hypervisor} is declared.")
        elif last["machine"] != present.machine:
            found.append(
                f"{name} stands on {present.hypervisor}, which was the machine {last['machine']}; its URI now leads to "
                f"{present.machine}."
            )
        elif data[name] not in present.volumes:
            found.append(f"{name} has lost its data volume: {data[name]} is not on {present.hypervisor} any more.")
    return found
