"""The domain that libvirt gets: the provider's own XML for a gateway, through the gateway's stylesheet."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

from lxml import etree

from nordgate.design.gateway_design import GatewayDesign, shared_name
from nordgate.settings.stack_settings import Settings

_BASE = Path(__file__).parents[2] / "machine/base/domain-network.xml"
"""What the provider made of a gateway, caught before its xsltproc."""


def domain_xml(settings: Settings, design: GatewayDesign, mark: str) -> str:
    """The gateway's domain as it is defined; `mark` stands where names carry the fingerprint."""
    transform = etree.XSLT(etree.fromstring(design.stylesheet.encode()))
    made = transform(provider_xml(settings, design, mark))
    etree.indent(made)
    return etree.tostring(made, encoding="unicode").rstrip("\n") + "\n"


def provider_xml(settings: Settings, design: GatewayDesign, mark: str) -> etree._ElementTree:
    """What the provider makes of the gateway's arguments, before the stylesheet."""
    document = copy.deepcopy(_base())
    domain = document.getroot()
    domain.set("type", design.machine.profile.accelerator)
    _set_text(domain, "name", design.domain)
    _set_text(domain, "memory", str(design.machine.memory >> 20))
    _set_text(domain, "vcpu", str(design.machine.vcpus))
    # What a host makes of the name q35 depends on its QEMU.
    _element(domain, "os/type").set("machine", design.machine.profile.machine_type)
    _element(domain, "cpu").set("mode", design.machine.profile.cpu_mode)
    root, data, seed = domain.findall("devices/disk/source")
    pool = shared_name(design.stack)
    root.attrib.update({"pool": pool, "volume": design.root_volume(mark)})
    data.attrib.update({"pool": pool, "volume": design.data_name})
    seed.attrib.update({"pool": pool, "volume": design.seed_volume(mark)})
    if design.machine.profile.root == "flat":
        _element(domain, "devices/disk/driver").set("type", "raw")
    if design.machine.data_is_device:
        domain.findall("devices/disk")[1].set("type", "block")
        data.attrib.clear()
        data.set("dev", design.machine.data_path)
    host = settings.hypervisors[design.hypervisor]
    _element(domain, "devices/interface/mac").set("address", design.machine.mac.upper())
    card, source = _element(domain, "devices/interface"), _element(domain, "devices/interface/source")
    source.attrib.clear()
    if switch := host.bridge or host.open_vswitch:
        card.set("type", "bridge")
        source.set("bridge", switch)
    elif host.macvtap:
        card.set("type", "direct")
        source.attrib.update({"dev": host.macvtap, "mode": "bridge"})
    else:
        card.set("type", "network")
        source.set("network", pool)
    return document


@cache
def _base() -> etree._ElementTree:
    return etree.parse(_BASE, etree.XMLParser(remove_blank_text=True))


def _element(domain: etree._Element, path: str) -> etree._Element:
    found = domain.find(path)
    if found is None:
        raise ValueError(f"{_BASE.name} has no {path}")
    return found


def _set_text(domain: etree._Element, path: str, text: str) -> None:
    _element(domain, path).text = text
