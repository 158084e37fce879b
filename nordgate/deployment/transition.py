"""From a stack as it stands to the declared one: what a deployment, and `make diff` alike, refuses or warns of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from nordgate.design.gateway_design import GatewayDesign
from nordgate.settings.stack_settings import Settings

_NAMES_SHOWN = 6
_NAMES = "\0"
"""Stands in a sentence for the gateways that it is about."""


@dataclass(frozen=True)
class GatewayRecord:
    """A gateway, deployed or declared, as far as a deployment can take its data or its address. None: not known."""

    hypervisor: str | None = None
    """Its host's name in the stack file."""
    uri: str | None = None
    pool_path: str | None = None
    volume_group: str | None = None
    """Of its data volume; an empty text where that lies in the pool's folder."""
    network: str | None = None
    """What its card is on, such as `bridge br0`."""
    address: str | None = None
    mac: str | None = None
    data_bytes: int | None = None
    protected: bool | None = None
    """Whether its data volume is."""

    def known(self) -> dict[str, Any]:
        """What is known of it: the record that a stack exports."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> GatewayRecord:
        """A record of any version of this program: a field that it lacks is not known, and others are passed over."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})


WAYS = {"macvtap": "card", "openVswitch": "Open vSwitch bridge"}
"""How a way to the clients is called, where it is not as its setting is."""


@dataclass(frozen=True)
class Transition:
    """Sentences about what a deployment would do."""

    refused: tuple[str, ...]
    """What no deployment does."""
    warned: tuple[str, ...]
    """What is done, and cannot be undone."""


def declared(settings: Settings, design: GatewayDesign) -> GatewayRecord:
    """A gateway as its settings have it."""
    host = settings.hypervisors[design.hypervisor]
    setting, device = next(iter(host.ways.items()), ("network", str(settings.network.cidr)))
    return GatewayRecord(
        hypervisor=design.hypervisor,
        uri=host.uri,
        pool_path=host.pool_path,
        volume_group=host.volume_group or "",
        network=f"{WAYS.get(setting, setting)} {device}",
        address=str(settings.gateways[design.name].address),
        mac=design.machine.mac.lower(),
        data_bytes=design.data_bytes,
        protected=settings.protect_data,
    )


def transition(before: Mapping[str, GatewayRecord], after: Mapping[str, GatewayRecord]) -> Transition:
    """What comes of deploying `after` where `before` stands, both by gateway."""
    return Transition((*_moved(before, after), *_taken(before, after)), (*_gone(before, after), *_hosts(before, after)))


def _moved(before: Mapping[str, GatewayRecord], after: Mapping[str, GatewayRecord]) -> Iterator[str]:
    """Changes that would separate a gateway from its data volume."""
    found: dict[str, list[str]] = {}
    for name, new in after.items():
        if sentence := _parted(before.get(name, GatewayRecord()), new):
            found.setdefault(sentence, []).append(name)
    yield from (sentence.replace(_NAMES, listed(names)) for sentence, names in found.items())


def _parted(old: GatewayRecord, new: GatewayRecord) -> str | None:
    if _differ(old.hypervisor, new.hypervisor):
        return f"{_NAMES}: on {old.hypervisor} now, on {new.hypervisor} as declared, and data does not move by itself"
    if _differ(_folder(old), _folder(new)):
        return (
            f"the pool of {_NAMES} on {new.hypervisor} is {old.pool_path}, and {new.pool_path} is declared: "
            "a pool does not move by itself"
        )
    if _differ(old.volume_group, new.volume_group):
        there, here = (side.volume_group or side.pool_path or "the pool's folder" for side in (old, new))
        return f"the data volume of {_NAMES} is in {there}, and {here} is declared: data does not move by itself"
    if old.data_bytes and new.data_bytes and new.data_bytes < old.data_bytes:
        sizes = f"{old.data_bytes >> 20} MiB, and {new.data_bytes >> 20} MiB are declared"
        return f"the data volume of {_NAMES} has {sizes}: a data volume is never shrunk"
    return None


def _taken(before: Mapping[str, GatewayRecord], after: Mapping[str, GatewayRecord]) -> Iterator[str]:
    """What makes a gateway while another still has its address: two guests would answer there."""
    for name, new in after.items():
        for kind, word in (("address", "address"), ("mac", "MAC address")):
            value = getattr(new, kind)
            owner = next((other for other, old in before.items() if value and getattr(old, kind) == value), name)
            if owner != name:
                what = f"{name} is declared at the {word} {value}, where {owner} stands"
                yield f"{what}{_until(name, owner, before, after)}"
                break


def _until(name: str, owner: str, before: Mapping[str, GatewayRecord], after: Mapping[str, GatewayRecord]) -> str:
    if owner in after:
        return f" until its own turn: give {owner} another one first, and deploy in between"
    so_long = f" until {name} is proved, and is then deleted with its data:"
    if before.keys() & after.keys():
        return f"{so_long} take {owner} out with one deployment and add {name} with the next"
    return f"{so_long} keep the name, or begin anew after `pulumi destroy`, which deletes that data"


def _gone(before: Mapping[str, GatewayRecord], after: Mapping[str, GatewayRecord]) -> Iterator[str]:
    gone = {name: old for name, old in before.items() if name not in after}
    for protected, end in ((False, ""), (True, ", which is protected: `up` refuses it")):
        if names := [name for name, old in gone.items() if bool(old.protected) is protected]:
            yield f"{listed(names)} is deleted with its data volume{end} (docs/operations.md, data volumes)"


def _hosts(before: Mapping[str, GatewayRecord], after: Mapping[str, GatewayRecord]) -> Iterator[str]:
    """What changes under gateways that stay where they are."""
    found: dict[str, list[str]] = {}
    for name, new in after.items():
        old = before.get(name, GatewayRecord())
        if old.hypervisor == new.hypervisor:
            for was, becomes in ((old.uri, new.uri), (old.network, new.network)):
                if _differ(was, becomes):
                    found.setdefault(f"{new.hypervisor}: {was} becomes {becomes}", []).append(name)
    for change, names in found.items():
        yield f"{change}, under {listed(names)}: read in the preview what is replaced"


def listed(names: Sequence[str]) -> str:
    """Names in a row, the many cut short."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def _folder(standing: GatewayRecord) -> str | None:
    return standing.pool_path and str(PurePosixPath(standing.pool_path))


def _differ(old: str | None, new: str | None) -> bool:
    """Whether both are known and not the same."""
    return old is not None and new is not None and old != new
