"""The XSLT stylesheets that add to libvirt's XML what the provider has no argument for.

They are rendered from templates that escape every value, and byte-stable: the provider replaces a guest when a
single space of its stylesheet changes.
"""

from __future__ import annotations

from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from hardware.profile import Profile

_TEMPLATES = Environment(
    loader=PackageLoader("hardware"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def domain_stylesheet(
    profile: Profile, *, uuid: str, vcpus: int, console_log: str, data_serial: str, seed_bus: Literal["sata", "scsi"]
) -> str:
    """What makes the provider's domain a gateway: identity, processor, disk drivers, CD-ROM bus, serial log.

    `console_log` is a path on the hypervisor; `data_serial` (20 characters at most) is how the guest finds its data
    volume, the second disk; `seed_bus` is where the guest's kernel finds the CD-ROM. Disks and network cards are
    neither added nor removed: the provider would see a difference at every preview.
    """
    return _TEMPLATES.get_template("domain.xslt").render(
        profile=profile, uuid=uuid, vcpus=vcpus, console_log=console_log, data_serial=data_serial, seed_bus=seed_bus
    )


def pool_stylesheet(uuid: str) -> str:
    """Gives a storage pool its derived UUID."""
    return _TEMPLATES.get_template("identity.xslt").render(element="pool", uuid=uuid)


def network_stylesheet(uuid: str) -> str:
    """Gives a network its derived UUID."""
    return _TEMPLATES.get_template("identity.xslt").render(element="network", uuid=uuid)
