"""What a stack wants of a host, and what was found about it: plain data between those who ask and those who check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from nordgate.machine import Requirement


class State(StrEnum):
    """How a finding stands. Only `FAIL` stops a deployment."""

    OK = "ok"
    UNKNOWN = "unknown"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found and what was wanted."""

    subject: str
    found: str
    wanted: str
    state: State


@dataclass(frozen=True)
class OwnObject:
    """Something of ours on a host, known by its derived UUID."""

    name: str
    uuid: str


@dataclass(frozen=True)
class GuestDemand(OwnObject):
    """A guest that is to stand on the host."""

    mac: str
    address: IPv4Address


@dataclass(frozen=True)
class Placement:
    """Host processors that one guest has for itself (`cpus`), those of its other threads, and the memory's node."""

    gateway: str
    cpus: tuple[int, ...]
    emulator: tuple[int, ...] = ()
    iothreads: tuple[int, ...] = ()
    node: int = 0
    threads_per_core: int = 1
    """Of the cores that the guest sees."""


@dataclass(frozen=True)
class Hugepages:
    """Pages that a guest takes from the host, in KiB each; `node` is the NUMA node, None where any will do."""

    node: int | None
    size: int
    count: int


@dataclass(frozen=True)
class HostDemand:
    """What one host must have, and what is made there."""

    host: str
    """As the stack file calls it."""
    uri: str
    prefix: str
    """What the names of all volumes begin with: the stack."""
    pool: OwnObject
    pool_path: str
    guests: tuple[GuestDemand, ...]
    volumes: Mapping[str, int]
    """Bytes that each volume in the folder takes at once when it is made, by name."""
    volume_group: str | None = None
    """Also the name of libvirt's pool of it, which the host has already."""
    group_volumes: Mapping[str, int] = field(default_factory=dict)
    require_nvme: bool = True
    bridge: str | None = None
    open_vswitch: str | None = None
    macvtap: str | None = None
    mtu: int | None = None
    """Bytes of the largest packet that the device which leads to the clients has to carry."""
    network: OwnObject | None = None
    """The closed network that is made where there is no bridge."""
    cidr: IPv4Network | None = None
    machine_type: str = "q35"
    accelerator: str = "kvm"
    cpu_mode: str = "host-passthrough"
    require_aes: bool = True
    requirements: tuple[Requirement, ...] = ()
    placements: tuple[Placement, ...] = ()
    """Of the guests that are pinned."""
    controllers: Mapping[str, str] = field(default_factory=dict)
    """The NVMe controller that a gateway is given whole: its PCI address by the gateway's name."""
    hugepages: tuple[Hugepages, ...] = ()
    """One entry a guest."""
