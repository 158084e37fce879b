"""The files of a guest that are not nginx's: kernel, limits, firewall, units, upkeep."""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address, IPv6Address

from cloudinit.catalogue.row import Disposition
from cloudinit.files import PATHS, GuestFile
from cloudinit.gateway_settings import GatewaySettings
from cloudinit.guest_settings import GuestSettings
from cloudinit.kernel_settings import KernelSetting
from cloudinit.platforms import Platform
from cloudinit.text import rendered
from cloudinit.upstreams import watched, watcher_files

_UNITS = "/etc/systemd/system"
_ROTATE_MINUTES = 15
_PROGRAMS = ("blkid", "e2fsck", "findmnt", "mkfs.ext4", "nginx", "openssl", "resize2fs", "wipefs")


def system_files(guest: GuestSettings, gateway: GatewaySettings, platform: Platform) -> dict[str, GuestFile]:
    """Every such file, by its path in the guest."""
    kernel = gateway.kernel.declared(gateway.ports, platform.kernel)
    files = {
        PATHS.boot: GuestFile(boot_script(guest, gateway, kernel), mode="0755"),
        PATHS.kernel: GuestFile(kernel_table(kernel)),
        "/etc/sysctl.d/60-nordgate.conf": GuestFile(sysctl_conf(kernel)),
        "/etc/security/limits.d/nordgate.conf": GuestFile(limits_conf(gateway)),
        f"{_UNITS}/nordgate-boot.service": _template("nordgate-boot.service"),
        f"{_UNITS}/nginx.service.d/nordgate.conf": _template("nginx-override.conf", gateway=gateway),
        f"{_UNITS}/nordgate-logrotate.service": GuestFile(_LOGROTATE_SERVICE),
        f"{_UNITS}/nordgate-logrotate.timer": GuestFile(_LOGROTATE_TIMER),
        f"{_UNITS}/multi-user.target.d/nordgate.conf": GuestFile(_wanted_units(guest)),
        PATHS.rotation: _template("logrotate.conf", gateway=gateway, platform=platform, rotate_minutes=_ROTATE_MINUTES),
        PATHS.rotate: _template("rotate.sh", mode="0755", gateway=gateway),
        "/etc/chrony/chrony.conf": _template("chrony.conf", guest=guest, platform=platform),
        "/etc/ssh/sshd_config.d/10-nordgate.conf": GuestFile(_SSHD),
        "/etc/systemd/journald.conf.d/nordgate.conf": GuestFile(
            f"[Journal]\n# The system's disk is small; requests are logged on the data volume.\n"
            f"SystemMaxUse={guest.journal_megabytes}M\nRuntimeMaxUse={guest.journal_megabytes}M\n"
            "# Nor once more in files that a syslog daemon would write beside it.\nForwardToSyslog=no\n"
        ),
        "/etc/apt/apt.conf.d/90-nordgate": GuestFile(_apt_periodic(guest.unattended_upgrades)),
    }
    modules = _modules(kernel)
    if modules:
        files["/etc/modules-load.d/nordgate.conf"] = GuestFile("".join(f"{module}\n" for module in modules))
    files.update(watcher_files(guest, gateway))
    if guest.firewall:
        files["/etc/nftables.conf"] = _template("nftables.conf", mode="0755", guest=guest, gateway=gateway)
    return files


def boot_script(guest: GuestSettings, gateway: GatewaySettings, kernel: tuple[KernelSetting, ...]) -> str:
    """The one script that runs at every boot and leaves its result for the readiness check."""
    modules = _modules(kernel)
    names = gateway.server_names
    groups = watched(gateway)
    return rendered(
        "guest/boot.sh.j2",
        guest=guest,
        gateway=gateway,
        paths=PATHS,
        programs=[
            *_PROGRAMS,
            *(["nft"] if guest.firewall else []),
            *(["tc"] if gateway.kernel.bbr else []),
            # Without it the periodic job would do nothing, and say nothing.
            *(["unattended-upgrade"] if guest.unattended_upgrades else []),
        ],
        watched=groups,
        resolving=any(group.names for group in groups.values()),
        bbr=gateway.kernel.bbr,
        modules=modules,
        conntrack_buckets=gateway.kernel.conntrack_buckets if "nf_conntrack" in modules else 0,
        # A common name has at most 64 characters; what counts are the alternative names.
        common_name=next((name for name in names if len(name) <= 64), "nordgate"),
        alternative_names=",".join([*(f"DNS:{name}" for name in names), f"IP:{guest.address.ip}"]),
        certified=[shlex.quote(name) for name in (*names, openssl_address(guest.address.ip))],
    )


def openssl_address(address: IPv4Address | IPv6Address) -> str:
    """As OpenSSL prints it: of IPv6 every group, in capitals, without leading zeros."""
    if address.version == 4:
        return str(address)
    return ":".join(f"{int(group, 16):X}" for group in address.exploded.split(":"))


def kernel_table(kernel: tuple[KernelSetting, ...]) -> str:
    """What the boot script applies and checks: disposition, file, value; `-` keeps a field as it is."""
    lines = [f"{line.disposition} {line.proc} {line.value}\n" for line in kernel]
    return "# Read by nordgate-boot. set: exactly; floor: at least; assert: must be so already.\n" + "".join(lines)


def sysctl_conf(kernel: tuple[KernelSetting, ...]) -> str:
    """Only exact values: systemd would write a floor over a better value."""
    head = f"# Floors are not here but in {PATHS.kernel}: written from here, they would lower better values.\n"
    lines = [f"\n# {line.why}\n{line.key} = {line.value}\n" for line in kernel if line.disposition is Disposition.SET]
    return head + "".join(lines)


def limits_conf(gateway: GatewaySettings) -> str:
    """Login sessions only; the service's limit is in its unit."""
    lines = [f"{who} {kind} nofile {gateway.limit_nofile}\n" for who in ("*", "root") for kind in ("soft", "hard")]
    return "# For login sessions only: nginx's own limit is in its unit.\n" + "".join(lines)


def _modules(kernel: tuple[KernelSetting, ...]) -> list[str]:
    return list(dict.fromkeys(line.needs for line in kernel if line.needs))


def _template(name: str, mode: str = "0644", **values: object) -> GuestFile:
    return GuestFile(rendered(f"guest/{name}.j2", paths=PATHS, **values), mode=mode)


def _wanted_units(guest: GuestSettings) -> str:
    units = ["nordgate-boot.service", "nordgate-logrotate.timer", *(["nftables.service"] if guest.firewall else [])]
    return f"# From the second boot on; at the first, cloud-init starts them.\n[Unit]\nWants={' '.join(units)}\n"


def _apt_periodic(upgrades: bool) -> str:
    switch = int(upgrades)
    periodic = "".join(
        f'APT::Periodic::{name} "{switch}";\n' for name in ("Enable", "Update-Package-Lists", "Unattended-Upgrade")
    )
    return periodic + _ONLY_WHAT_IS_NEEDED + (_UPGRADES if upgrades else "")


_SSHD = """\
# The first value that sshd reads counts: this file's name comes before the distribution's.
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""

_ONLY_WHAT_IS_NEEDED = """\
// What is installed needs no archive: apt-get would keep every one on the system's disk.
APT::Keep-Downloaded-Packages "false";
// Nor what packages only recommend: a baked image has none of it, and each makes the first boot of a stock one longer.
APT::Install-Recommends "false";
"""

_UPGRADES = """\
// Our files stay as they are: a package that would ask about them is otherwise never upgraded.
Dpkg::Options:: "--force-confdef";
Dpkg::Options:: "--force-confold";
// Each kernel takes some 100 MB: the running one and the newest stay.
Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";
Unattended-Upgrade::Remove-New-Unused-Dependencies "true";
"""

_LOGROTATE_SERVICE = f"""\
[Unit]
Description=Rotate the gateway's logs by size
ConditionPathExists=/run/nordgate/prepared

[Service]
Type=oneshot
# A worker that died has left its bodies where the living need the room. One that is still open loses only its name.
ExecStartPre=-/usr/bin/setpriv --reuid=33 --regid=33 --clear-groups find {PATHS.bodies} -type f -mmin +60 -delete
ExecStart={PATHS.rotate}
Nice=19
IOSchedulingClass=idle
"""

_LOGROTATE_TIMER = f"""\
[Unit]
Description=Look at the size of the gateway's logs

[Timer]
OnActiveSec={_ROTATE_MINUTES}min
OnUnitActiveSec={_ROTATE_MINUTES}min
"""
