"""What is on a host already and would be met by what a stack makes: only what bears the stack's mark is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from nordgate.preflight.demands import Finding, HostDemand, OwnObject, State
from nordgate.preflight.host_facts import ExistingObject, HostFacts

_WANTED = "nothing of this name, UUID or address that another owns"


def collisions(demand: HostDemand, facts: HostFacts) -> list[Finding]:
    """One finding per thing that is not ours and in our way; one that says so when there is none."""
    found = [
        Finding("collision", sentence, _WANTED, State.FAIL)
        for each in (_identities, _addresses, _pool_folders, _volumes)
        for sentence in each(demand, facts)
    ]
    return found or [Finding("collisions", f"none among {len(facts.taken)} definitions", _WANTED, State.OK)]


def _ours(demand: HostDemand) -> dict[str, list[OwnObject]]:
    return {
        "domain": list(demand.guests),
        "network": [demand.network] if demand.network else [],
        "pool": [demand.pool],
    }


def _foreign(demand: HostDemand, facts: HostFacts) -> Iterator[ExistingObject]:
    marks = {thing.uuid for things in _ours(demand).values() for thing in things}
    return (taken for taken in facts.taken if taken.uuid not in marks)


def _identities(demand: HostDemand, facts: HostFacts) -> Iterator[str]:
    for kind, things in _ours(demand).items():
        for thing in things:
            for taken in facts.taken:
                if taken.kind != kind:
                    continue
                if taken.name == thing.name and taken.uuid != thing.uuid:
                    yield (
                        f"a {kind} {thing.name} with UUID {taken.uuid} was not made by this stack: "
                        f"rename or remove it, or name the stack or gateway otherwise"
                    )
                if taken.uuid == thing.uuid and taken.name != thing.name:
                    yield f"the {kind} {taken.name} has the UUID of {thing.name}, {thing.uuid}: remove it"


def _addresses(demand: HostDemand, facts: HostFacts) -> Iterator[str]:
    for taken in _foreign(demand, facts):
        for guest in demand.guests:
            if guest.mac.lower() in taken.macs:
                yield f"{guest.name}'s MAC address {guest.mac} is that of the {taken.kind} {taken.name}"
            if str(guest.address) in taken.addresses:
                yield f"{guest.name}'s address {guest.address} is taken by the {taken.kind} {taken.name}"
        if demand.network and demand.cidr:
            for network in taken.networks:
                if network.network.overlaps(demand.cidr):
                    yield f"network.cidr {demand.cidr} overlaps the network {taken.name}, {network.network}"


def _pool_folders(demand: HostDemand, facts: HostFacts) -> Iterator[str]:
    for taken in _foreign(demand, facts):
        if taken.path and PurePosixPath(taken.path) == PurePosixPath(demand.pool_path):
            yield f"the pool {taken.name} has the folder {demand.pool_path} already: give the stack one of its own"


def _volumes(demand: HostDemand, facts: HostFacts) -> Iterator[str]:
    """The provider would take over, and fill anew, what lies under the name of a volume that it makes.

    Inside a pool with our UUID such volumes are ours, and so are those of a volume group that bear the stack's name.
    """
    known = {taken.uuid for taken in facts.taken}
    probe = facts.probe or {}
    if demand.pool.uuid not in known:
        prefixes = tuple(f"{guest.name}-" for guest in demand.guests)
        for path in probe.get("files", "").splitlines():
            name = PurePosixPath(path).name
            if name not in demand.volumes and not name.startswith(prefixes):
                continue  # of another stack, whose name begins like ours
            yield f"{path} is there without the stack's pool: move it away, or it would be overwritten"
