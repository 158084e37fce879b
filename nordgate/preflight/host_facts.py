"""What virsh and the probe said about a host, as typed facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, ip_address
from xml.etree import ElementTree

from nordgate.preflight.topology import NumaNode, Pins, read_nodes, read_pages, read_pins

Element = ElementTree.Element
_SECURITY_MODELS = ("apparmor", "selinux")


@dataclass(frozen=True)
class ExistingObject:
    """Something on the host that bears a name, a UUID, and perhaps addresses: a domain, a network, a pool."""

    kind: str
    name: str
    uuid: str
    macs: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    networks: tuple[IPv4Interface, ...] = ()
    pins: Pins = field(default_factory=Pins)
    """Host processors that its threads are bound to."""
    hugepages: Mapping[tuple[int | None, int], int] = field(default_factory=dict)
    """Pages that it holds while it runs, by NUMA node (None: of any) and size in KiB."""
    controllers: frozenset[str] = frozenset()
    """PCI addresses of the host's devices that it is given."""
    path: str = ""
    """A pool's folder."""
    group: str = ""
    """A pool's volume group."""


@dataclass(frozen=True)
class HostFacts:
    """One host, as it was seen. What could not be seen is None or empty."""

    libvirt: str
    qemu: str
    offers_kvm: bool
    machine_types: frozenset[str]
    """The boards that its QEMU has."""
    aes: bool | None
    """None when neither libvirt nor the host's /proc/cpuinfo could tell."""
    security: str
    nodes: Mapping[int, NumaNode]
    bridge_type: str | None
    taken: tuple[ExistingObject, ...]
    volumes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Names of volumes by the UUID of their pool, of pools that run."""
    probe: Mapping[str, str] | None = None
    """Sections of nordgate/preflight/probe.sh; None when there was no way to run it."""
    probe_problem: str = ""
    newest_machine: str = "no q35"
    """What its QEMU makes of the name q35."""
    disks: tuple[str, ...] = ()
    """libvirt's names of the host's block devices."""
    system: str = ""
    """The UUID of the machine itself, as its firmware has it."""

    @property
    def boot(self) -> str | None:
        """Changes whenever the host boots."""
        return (self.probe or {}).get("boot") or None


def read_facts(
    listing: Mapping[str, str],
    details: Mapping[str, str],
    probe: Mapping[str, str] | None,
    probe_problem: str = "",
) -> HostFacts:
    """Put together what nordgate/preflight/gather_facts.py has asked."""
    capabilities = _xml(listing.get("capabilities", ""))
    version = listing.get("version", "")
    interface = _xml(listing.get("bridge", ""))
    return HostFacts(
        # The daemon's version counts, not virsh's own: "Running against daemon".
        libvirt=_search(r"Running against daemon: (\S+)", version) or _search(r"libvirt (\S+)", version),
        qemu=_search(r"Running hypervisor: QEMU (\S+)", version),
        offers_kvm=capabilities.find("guest/arch[@name='x86_64']/domain[@type='kvm']") is not None,
        machine_types=frozenset(
            element.text or "" for element in capabilities.findall("guest/arch[@name='x86_64']//machine")
        ),
        newest_machine=_newest(capabilities),
        aes=_aes(capabilities, probe),
        security=next((name for name in _models(capabilities) if name in _SECURITY_MODELS), "none"),
        nodes=read_nodes(capabilities, listing.get("freepages", "")),
        bridge_type=interface.get("type"),
        taken=tuple(_taken(details)),
        volumes={
            name.removeprefix("volumes "): frozenset(line.split()[0] for line in text.splitlines() if line.strip())
            for name, text in details.items()
            if name.startswith("volumes ")
        },
        probe=probe,
        probe_problem=probe_problem,
        disks=tuple(listing.get("disks", "").split()),
        system=system_uuid(listing.get("computer", "")),
    )


def _xml(text: str) -> Element:
    return ElementTree.fromstring(text) if text.startswith("<") else Element("nothing")  # noqa: S314 - libvirt wrote it


def system_uuid(computer: str) -> str:
    """The UUID of the machine in libvirt's node device `computer`; "" when there is none, or all zeros."""
    found = (_xml(computer).findtext("capability/hardware/uuid") or "").strip()
    return found if found.strip("0-") else ""


def _search(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""


def _models(capabilities: Element) -> list[str]:
    return [element.text or "" for element in capabilities.findall("host/secmodel/model")]


def _newest(capabilities: Element) -> str:
    names = capabilities.findall("guest/arch[@name='x86_64']//machine")
    return next((name.get("canonical", "") for name in names if name.text == "q35"), "") or "no q35"


def _aes(capabilities: Element, probe: Mapping[str, str] | None) -> bool | None:
    # libvirt lists only what its model of the processor does not imply: absence tells nothing.
    if capabilities.find("host/cpu/feature[@name='aes']") is not None:
        return True
    return None if probe is None else probe.get("cpu") == "aes"


def _taken(details: Mapping[str, str]) -> list[ExistingObject]:
    found = []
    for section, text in details.items():
        kind = section.partition(" ")[0]
        if kind not in ("domain", "network", "pool") or not text.startswith("<"):
            continue
        tree = _xml(text)
        macs = {element.get("address", "").lower() for element in tree.iter("mac")}
        macs |= {element.get("mac", "").lower() for element in tree.iter("host")}
        found.append(
            ExistingObject(
                kind=kind,
                name=tree.findtext("name") or "",
                uuid=tree.findtext("uuid") or "",
                macs=frozenset(macs - {""}),
                addresses=frozenset(_addresses(tree)),
                networks=tuple(_networks(tree)) if kind == "network" else (),
                pins=read_pins(tree),
                hugepages=read_pages(tree),
                controllers=frozenset(_controllers(tree)),
                path=tree.findtext("target/path") or "" if kind == "pool" else "",
                group=tree.findtext("source/name") or "" if tree.get("type") == "logical" else "",
            )
        )
    return found


def _controllers(tree: Element) -> Iterator[str]:
    """A device of PCI is passed on as it is, or as a disk of the type nvme."""
    for path in ("devices/hostdev[@type='pci']/source/address", "devices/disk[@type='nvme']/source/address"):
        for address in tree.findall(path):
            domain, bus, slot, function = (
                int(address.get(part, "0"), 16) for part in ("domain", "bus", "slot", "function")
            )
            yield f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _addresses(tree: Element) -> set[str]:
    """Every IP address that the definition names: a network's own, its DHCP hosts, a card's."""
    named = [*(host.get("ip", "") for host in tree.iter("host")), *(ip.get("address", "") for ip in tree.iter("ip"))]
    return {text for text in named if text and _is_address(text)}


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _networks(tree: Element) -> list[IPv4Interface]:
    found = []
    for element in tree.findall("ip"):
        if element.get("family", "ipv4") == "ipv4" and element.get("address"):
            mask = element.get("prefix") or element.get("netmask") or "32"
            found.append(IPv4Interface(f"{element.get('address')}/{mask}"))
    return found
