"""One look at a host before anything is decided about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from hosts.agent import GuestAgent
from hosts.problems import HypervisorProblem, Problem
from hosts.virsh import Hypervisor

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Observed:
    """A host as it is now."""

    machine: str
    """The UUID that its libvirt has for it."""
    domains: frozenset[str]
    """All that are defined."""
    boots: dict[str, str]
    """By domain: the boot ID of each guest that runs and answers."""
    volumes: frozenset[str]
    """Names, in the pools that were asked about."""


def observe(uri: str, domains: Iterable[str], pools: Iterable[str]) -> Observed:
    """The machine behind a URI, which domains it has, and what is in these pools. Raises HypervisorProblem."""
    hypervisor = Hypervisor(uri)
    capabilities = ElementTree.fromstring(hypervisor.virsh("capabilities"))  # noqa: S314 - libvirt wrote it
    defined = frozenset(hypervisor.virsh("list", "--all", "--name").split())
    running = set(hypervisor.virsh("list", "--name").split())
    boots = {domain: boot for domain in domains if domain in running and (boot := boot_id(hypervisor, domain))}
    volumes = frozenset(name for pool in pools for name in _volumes(hypervisor, pool))
    return Observed(capabilities.findtext("host/uuid", ""), defined, boots, volumes)


def boot_id(hypervisor: Hypervisor, domain: str) -> str | None:
    """What the kernel of a guest calls its present boot; None when the guest does not say."""
    try:
        return GuestAgent(hypervisor, domain, timeout=5).read_file(_BOOT_ID).decode().strip()
    except Problem:
        return None


def _volumes(hypervisor: Hypervisor, pool: str) -> list[str]:
    try:
        hypervisor.virsh("pool-refresh", pool)
        return [line.split()[0] for line in hypervisor.virsh("vol-list", pool).splitlines() if line.strip()]
    except HypervisorProblem as problem:
        if "failed to get pool" in str(problem) or "is not active" in str(problem):
            return []
        raise
