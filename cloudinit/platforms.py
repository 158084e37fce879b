"""What each supported distribution ships, and the syntax that follows from it.

The declared platform decides what is rendered, never the machine that renders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Version = tuple[int, ...]


def version(text: str) -> Version:
    """`"1.26.3"` as `(1, 26, 3)`."""
    return tuple(int(part) for part in text.split("."))


@dataclass(frozen=True)
class Platform:
    """One distribution release and the versions that its own packages have."""

    name: str
    title: str
    suite: str
    nginx: str
    openssl: str
    cloud_init: str
    kernel: str
    http3_module: bool
    sources: tuple[str, ...]
    components: str = "main"
    """Of the archive: those that the guest's packages are in."""
    leap_second_list: bool = True
    """chrony reads leap seconds from a list since 4.6; before, from a time zone."""
    seed_bus: Literal["sata", "scsi"] = "sata"
    """The bus on which the cloud image's kernel finds the CD-ROM with the seed."""

    @property
    def distribution(self) -> str:
        return self.name.partition("-")[0]

    @property
    def archive_keyring(self) -> str:
        """What the distribution's own archive is signed with, as its package of keys lays it down."""
        return f"/usr/share/keyrings/{self.distribution}-archive-keyring.gpg"

    def nginx_at_least(self, wanted: str) -> bool:
        return version(self.nginx) >= version(wanted)

    @property
    def http2_directive(self) -> bool:
        """`http2 on;` exists since nginx 1.25.1; before, HTTP/2 is a parameter of `listen`."""
        return self.nginx_at_least("1.25.1")

    @property
    def session_tickets(self) -> bool:
        """Since nginx 1.23.2 ticket keys in a shared cache rotate; before, one key served for as long as nginx ran."""
        return self.nginx_at_least("1.23.2")

    @property
    def upstream_keepalive_by_default(self) -> bool:
        return self.nginx_at_least("1.29.7")


PLATFORMS: dict[str, Platform] = {
    platform.name: platform
    for platform in (
        Platform(
            name="debian-12",
            title="Debian 12 (bookworm)",
            suite="bookworm",
            nginx="1.22.1",
            openssl="3.0",
            cloud_init="22.4.2",
            kernel="6.1",
            http3_module=False,
            sources=("https://packages.debian.org/bookworm/nginx", "https://packages.debian.org/bookworm/cloud-init"),
            # linux-image-cloud-amd64 6.1 has no AHCI driver; that of Debian 13 has.
            seed_bus="scsi",
            leap_second_list=False,
        ),
        Platform(
            name="debian-13",
            title="Debian 13 (trixie)",
            suite="trixie",
            nginx="1.26.3",
            openssl="3.5",
            cloud_init="25.1.4",
            kernel="6.12",
            http3_module=True,
            sources=("https://packages.debian.org/trixie/nginx", "https://packages.debian.org/trixie/cloud-init"),
        ),
        Platform(
            name="ubuntu-24.04",
            title="Ubuntu 24.04 LTS (noble)",
            suite="noble",
            nginx="1.24.0",
            openssl="3.0",
            cloud_init="26.1",
            kernel="6.8",
            http3_module=False,
            sources=("https://packages.ubuntu.com/noble/nginx", "https://packages.ubuntu.com/noble/cloud-init"),
            leap_second_list=False,
            components="main universe",
        ),
        Platform(
            name="ubuntu-26.04",
            title="Ubuntu 26.04 LTS (resolute)",
            suite="resolute",
            nginx="1.28.3",
            openssl="3.5",
            cloud_init="26.1",
            kernel="7.0",
            http3_module=True,
            sources=("https://packages.ubuntu.com/resolute/nginx", "https://packages.ubuntu.com/resolute/cloud-init"),
            components="main universe",
        ),
    )
}


def platform_named(name: str) -> Platform:
    """The platform of that name; an unknown one is an error that lists the known ones."""
    try:
        return PLATFORMS[name]
    except KeyError:
        raise ValueError(f'"{name}" is not a known platform; known are {", ".join(PLATFORMS)}') from None
