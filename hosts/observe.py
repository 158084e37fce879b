"""One look at a host before anything is decided about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from hosts.agent import GuestAgent
from hosts.problems import Problem
from hosts.virsh import Hypervisor

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Observed:
    """A host as it is now."""

    machine: str
    """The UUID that its libvirt has for it."""
    boots: dict[str, str]
    """By domain: the boot ID of each guest that answers."""


def observe(uri: str, domains: Iterable[str]) -> Observed:
    """The machine behind a URI, and which of these domains run there. Raises HypervisorProblem."""
    hypervisor = Hypervisor(uri)
    capabilities = ElementTree.fromstring(hypervisor.virsh("capabilities"))  # noqa: S314 - libvirt wrote it
    running = set(hypervisor.virsh("list", "--name").split())
    boots = {domain: boot for domain in domains if domain in running and (boot := boot_id(hypervisor, domain))}
    return Observed(capabilities.findtext("host/uuid", ""), boots)


def boot_id(hypervisor: Hypervisor, domain: str) -> str | None:
    """What the kernel of a guest calls its present boot; None when the guest does not say."""
    try:
        return GuestAgent(hypervisor, domain, timeout=5).read_file(_BOOT_ID).decode().strip()
    except Problem:
        return None
