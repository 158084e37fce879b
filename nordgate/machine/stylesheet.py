"""The XSLT stylesheets that add to libvirt's XML what the provider has no argument for.

They are rendered from templates that escape every value, and byte-stable.
"""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from nordgate.machine.machine import Machine, cpuset
from nordgate.machine.profile import PAGE_BYTES


def _literal(value: object) -> object:
    """XSLT takes braces in an attribute of the result for an expression, unless they are doubled."""
    return value.replace("{", "{{").replace("}", "}}") if isinstance(value, str) else value


_TEMPLATES = Environment(
    loader=PackageLoader("nordgate.machine"),
    autoescape=True,
    finalize=_literal,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def domain_stylesheet(machine: Machine) -> str:
    """What makes the provider's domain a gateway's machine.

    Disks and network cards are neither added nor removed: the provider would see a difference at every preview.
    """
    profile = machine.profile
    return _TEMPLATES.get_template("domain.xslt").render(
        machine=machine,
        profile=profile,
        pinning=machine.pinning,
        cpuset=cpuset,
        page_kib=PAGE_BYTES[profile.hugepages] >> 10 if profile.hugepages else None,
        pci=pci_parts(machine.nvme_controller) if machine.nvme_controller else None,
    )


def canonical_stylesheet(text: str) -> str:
    """What counts of a stylesheet, and what the provider gets: no comments, no empty lines, indented as elements lie.

    The provider replaces a guest when a single space of its stylesheet changes.
    """
    lines, depth = [], 0
    for line in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).splitlines():
        bare = line.strip()
        if bare:
            lines.append("  " * (depth - bare.startswith("</")) + bare)
        opened = re.findall(r"<[A-Za-z][^>]*[^/>]>|<[A-Za-z]>", bare)
        depth += len(opened) - bare.count("</")
    return "\n".join(lines)


def pci_parts(address: str) -> dict[str, str]:
    """`0000:65:00.0` as libvirt wants it: domain, bus, slot and function, in hexadecimal."""
    return dict(zip(("domain", "bus", "slot", "function"), re.split("[:.]", address), strict=True))


def pool_stylesheet(uuid: str) -> str:
    """Gives a storage pool its derived UUID."""
    return _TEMPLATES.get_template("identity.xslt").render(element="pool", uuid=uuid)


def network_stylesheet(uuid: str) -> str:
    """Gives a network its derived UUID."""
    return _TEMPLATES.get_template("identity.xslt").render(element="network", uuid=uuid)
