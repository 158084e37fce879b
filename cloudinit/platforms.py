"""What each supported distribution ships, and the syntax that follows from it.

The declared platform decides what is rendered, never the machine that renders.
"""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, ...]

HTTP2_DIRECTIVE = "1.25.1"
"""The first nginx with `http2 on;`; before, HTTP/2 is a parameter of `listen`."""
ROTATED_TICKET_KEYS = "1.23.2"
"""The first nginx that renews ticket keys in a shared cache; before, one key served for as long as nginx ran."""


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
    """Whether nginx is built with it."""
    packages: str
    """The distribution's own page of each package is below this address."""
    kernel_package: str

    components: str = "main"
    """Of the archive: those that the guest's packages are in."""
    leap_second_list: bool = True
    """chrony reads leap seconds from a list since 4.6; before, from a time zone."""

    def source(self, package: str) -> str:
        """Where the distribution says which version of a package it has."""
        return f"{self.packages}/{package}"

    @property
    def distribution(self) -> str:
        """The distribution without its release: `debian`."""
        return self.name.partition("-")[0]

    @property
    def archive_keyring(self) -> str:
        """What the distribution's own archive is signed with, as its package of keys lays it down."""
        return f"/usr/share/keyrings/{self.distribution}-archive-keyring.gpg"

    def nginx_at_least(self, wanted: str) -> bool:
        """Whether the platform's nginx is of that version or later."""
        return version(self.nginx) >= version(wanted)

    @property
    def http2_directive(self) -> bool:
        """Whether nginx takes `http2 on;` in place of a parameter of `listen`."""
        return self.nginx_at_least(HTTP2_DIRECTIVE)

    @property
    def session_tickets(self) -> bool:
        """Whether nginx makes new keys for session tickets by itself."""
        return self.nginx_at_least(ROTATED_TICKET_KEYS)


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
            packages="https://packages.debian.org/bookworm",
            kernel_package="linux-image-amd64",
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
            packages="https://packages.debian.org/trixie",
            kernel_package="linux-image-amd64",
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
            packages="https://packages.ubuntu.com/noble",
            kernel_package="linux-image-virtual",
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
            packages="https://packages.ubuntu.com/resolute",
            kernel_package="linux-image-virtual",
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
