"""One look at a host before anything is decided about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

from nordgate.errors import HypervisorError, NordgateError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.libvirt_messages import Said
from nordgate.hypervisor.virsh import Hypervisor

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Observed:
    """A host as it is now."""

    machine: str
    """The UUID that its libvirt has for it."""
    in_use: dict[str, frozenset[str]]
    """By domain that is defined: the names of the volumes that it uses."""
    boots: dict[str, str]
    """By domain: the boot ID of each guest that runs and answers."""
    volumes: frozenset[str]
    """Names, in the pools that were asked about."""
    sizes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Bytes of the volumes that were asked about, by pool and name; those that are there."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Of the pools that were asked about, by name; those that are there."""


def observe_host(
    uri: str, domains: Collection[str], pools: Collection[str], sized: Iterable[tuple[str, str]]
) -> Observed:
    """The machine behind a URI, which of these domains it has, and what is in these pools. Raises HypervisorError.

    `sized` are the pool and name of the volumes whose sizes are wanted.
    """
    hypervisor = Hypervisor(uri)
    capabilities = ElementTree.fromstring(hypervisor.virsh("capabilities"))  # noqa: S314 - libvirt wrote it
    defined = set(hypervisor.virsh("list", "--all", "--name").split())
    in_use = {domain: _disks(hypervisor, domain) for domain in domains if domain in defined}
    running = set(hypervisor.virsh("list", "--name").split())
    boots = {domain: boot for domain in domains if domain in running and (boot := boot_id(hypervisor, domain))}
    volumes = frozenset(name for pool in pools for name in _volumes(hypervisor, pool))
    found = {(pool, name): hypervisor.volume(pool, name) for pool, name in sized if name in volumes}
    sizes = {key: int(volume.findtext("capacity", "0")) for key, volume in found.items() if volume is not None}
    folders = {pool: folder for pool in pools if (folder := _folder(hypervisor, pool))}
    return Observed(capabilities.findtext("host/uuid", ""), in_use, boots, volumes, sizes, folders)


def boot_id(hypervisor: Hypervisor, domain: str) -> str | None:
    """What the kernel of a guest calls its present boot; None when the guest does not say."""
    try:
        return GuestAgent(hypervisor, domain, timeout=5).read_file(_BOOT_ID).decode().strip()
    except NordgateError:
        return None


def _folder(hypervisor: Hypervisor, pool: str) -> str | None:
    try:
        xml = hypervisor.virsh("pool-dumpxml", pool)
    except HypervisorError as problem:
        if Said.NO_POOL.within(problem):
            return None
        raise
    return ElementTree.fromstring(xml).findtext("target/path")  # noqa: S314 - libvirt wrote it


def _disks(hypervisor: Hypervisor, domain: str) -> frozenset[str]:
    tree = ElementTree.fromstring(hypervisor.virsh("dumpxml", "--inactive", domain))  # noqa: S314 - libvirt wrote it
    paths = (source.get("file") or source.get("dev") or "" for source in tree.findall("devices/disk/source"))
    return frozenset(path.rpartition("/")[2] for path in paths)


def _volumes(hypervisor: Hypervisor, pool: str) -> list[str]:
    try:
        hypervisor.refresh_pool(pool, within=60)
        return [line.split()[0] for line in hypervisor.virsh("vol-list", pool).splitlines() if line.strip()]
    except HypervisorError as problem:
        if Said.NO_POOL.within(problem) or Said.POOL_INACTIVE.within(problem):
            return []
        raise
