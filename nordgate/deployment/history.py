"""What the last successful deployment said of itself, and what follows from it for this one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nordgate.deployment.transition import GatewayRecord, listed

_MOST = 1000
"""More guests of one mark than ever lie on a host."""


@dataclass(frozen=True)
class FoundGateway:
    """A gateway as it is found now, before anything is decided about it."""

    hypervisor: str
    """Its host's name in the stack file."""
    machine: str
    """The UUID of the machine that this name leads to."""
    boot: str | None
    """The boot ID of its guest, if that runs and answers."""
    in_use: Collection[str] | None
    """The names of the volumes that its domain uses; None when it has no domain."""
    volumes: Collection[str]
    """Names, in its pools."""
    data_bytes: int | None = None
    """Size of its data volume; None when that is not in the pool that is declared."""
    pool_path: str | None = None
    """The folder of the stack's pool there; None when there is no such pool."""
    differs: Collection[str] = ()
    """A sentence for everything in the running guest that is not what was declared."""


def check_number(last: Mapping[str, Any] | None, present: FoundGateway) -> int:
    """The number of a gateway's proof: the next one, unless the guest runs that was proved last and is as declared.

    `last` is what the last deployment exported about the gateway.
    """
    if last is None:
        return 1
    proved = present.boot is not None and present.boot == last.get("boot") and not present.differs
    return int(last.get("generation", 0)) + (not proved)


def guest_number(
    last: Mapping[str, Any] | None,
    present: FoundGateway,
    own: Callable[[int], frozenset[str]],
    prefixes: tuple[str, ...],
    anew: bool = False,
) -> int:
    """The number of a gateway's guest: that of the guest that is there, when it is whole and the declared one.

    Else, and when it is to be made `anew`, a number whose volumes are not there yet: those of a deployment that failed
    may be waiting for their deletion, and a volume that was made under such a name would be deleted in the end. `own`
    gives the names of the volumes that are made anew with the guest of a number, `prefixes` how all such names of the
    gateway begin.
    """
    there = frozenset(name for name in present.volumes if name.startswith(prefixes))
    used = there & frozenset(present.in_use or ())
    # What the last successful deployment left was the guest before: Pulumi only waits to delete it.
    unexplained = there - used - frozenset((last or {}).get("volumes", ()))
    for number in range(_MOST):
        if used == own(number) and not unexplained and not anew:
            return number
    return next(number for number in range(_MOST) if not own(number) & there)


def deployed(
    before: Mapping[str, Mapping[str, Any]], addresses: Mapping[str, str], now: Mapping[str, FoundGateway]
) -> dict[str, GatewayRecord]:
    """The gateways as they stand. `before` and `addresses` are what the last deployment exported, by gateway.

    What the host shows counts more than what was exported, but for the size of a logical volume: LVM rounds it up.
    """
    found = {}
    for name, last in before.items():
        exported = {
            "hypervisor": last.get("hypervisor"),
            "address": addresses.get(name),
            **(last.get("standing") or {}),
        }
        standing = GatewayRecord.read(exported)
        present = now.get(name)
        if present and present.hypervisor == standing.hypervisor:
            size = standing.data_bytes if standing.volume_group else present.data_bytes
            standing = replace(standing, pool_path=present.pool_path, data_bytes=size)
        found[name] = standing
    return found


def unfinished(
    before: Collection[str], now: Mapping[str, FoundGateway], undeclared: Mapping[str, str]
) -> Iterator[str]:
    """A sentence for each guest of a deployment that failed, beside which new ones would be made.

    `before` names the gateways of the last successful deployment, `undeclared` has the hosts of guests that stand and
    are not declared. Nobody knows such a guest's address; when the others are proved it is deleted, data and all.
    """
    new = [name for name, present in now.items() if name not in before and present.in_use is None]
    for name, host in undeclared.items():
        if new and name not in before:
            remedy = (
                f"deploy without {listed(new)} first, which deletes {name}, and add {listed(new)} with the next"
                if len(new) < len(now)
                else f"declare {name} again, or begin anew after `pulumi destroy`"
            )
            yield (
                f"{name} stands on {host}, from a deployment that failed, and is not declared any more: its address "
                f"may be that of {listed(new)}, and it would be deleted with its data: {remedy}."
            )


def refusals(before: Mapping[str, Any], now: Mapping[str, FoundGateway], data: Mapping[str, str]) -> list[str]:
    """A sentence for each gateway that would stand without its data; `data` names its data volume.

    `before` is what the last deployment exported, by gateway.
    """
    found = []
    for name, present in now.items():
        last = before.get(name)
        if last is None or last.get("hypervisor") != present.hypervisor:
            continue
        if last.get("machine", present.machine) != present.machine:
            found.append(
                f"{name} stands on {present.hypervisor}, which was the machine {last['machine']}; its URI now leads to "
                f"{present.machine}."
            )
        elif data[name] not in present.volumes:
            found.append(f"{name} has lost its data volume: {data[name]} is not on {present.hypervisor} any more.")
        elif present.data_bytes is None and "standing" not in last:
            where = f"on {present.hypervisor}, but not in the pool that is declared"
            found.append(f"{name} would lose its data volume: {data[name]} is {where}.")
    return found
