"""The guest's packages: which, from where, and what tells cloud-init to install them."""

from __future__ import annotations

from typing import Any

from cloudinit.files import GuestFile
from cloudinit.guest_settings import GuestSettings, PackageSettings
from cloudinit.platforms import Platform

_INSTALLED = (
    "ca-certificates",
    "chrony",
    "e2fsprogs",
    "logrotate",
    # Debian 12's nftables knows the protocols' names from it, and does not depend on it.
    "netbase",
    "nftables",
    "nginx",
    "openssl",
    # Finds upstream servers by name.
    "python3-dnspython",
    "qemu-guest-agent",
    "sudo",
)


def packages(guest: GuestSettings) -> tuple[str, ...]:
    """The packages that must be in the guest, from its image or installed at its first boot."""
    return tuple(sorted((*_INSTALLED, *(["unattended-upgrades"] if guest.unattended_upgrades else []))))


def package_config(guest: GuestSettings) -> dict[str, Any]:
    """What cloud-init is told about packages."""
    settings = guest.packages
    if settings.mode == "preinstalled":
        return {"package_update": False, "package_upgrade": False}
    apt: dict[str, Any] = {}
    if settings.proxy:
        apt["proxy"] = settings.proxy
    if settings.mirror:
        # What cloud-init would do with a mirror differs between its versions and images: Debian's never know a key,
        # and some keep the image's own sources beside. `source_files` has all of it.
        apt["preserve_sources_list"] = True
    config: dict[str, Any] = {"apt": apt} if apt else {}
    return {**config, "package_update": True, "package_upgrade": False, "packages": list(packages(guest))}


def source_files(settings: PackageSettings, platform: Platform) -> dict[str, GuestFile]:
    """The sources of packages in place of the distribution's; none where no mirror is named."""
    if settings.mirror is None:
        return {}
    if settings.key:
        lines = [f" {line or '.'}\n" for line in settings.key.strip().splitlines()]
        signed_by = "Signed-By:\n" + "".join(lines)
    else:
        signed_by = f"Signed-By: {platform.archive_keyring}\n"
    suite, security = platform.suite, settings.security_mirror or settings.mirror
    stanzas = [
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: {platform.components}\n{signed_by}"
        for uri, suites in ((settings.mirror, f"{suite} {suite}-updates"), (security, f"{suite}-security"))
    ]
    return {
        # The older place of the same: an image has one or the other.
        "/etc/apt/sources.list": GuestFile(f"# See sources.list.d/{platform.distribution}.sources.\n"),
        f"/etc/apt/sources.list.d/{platform.distribution}.sources": GuestFile("\n".join(stanzas)),
    }
