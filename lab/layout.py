"""Where a lab keeps its things, and the configuration of its libvirtd."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from nordgate.errors import NordgateError

LABS = Path("/var/lib/nordgate/lab")
"""One folder per lab. Outside of any checkout, so that no checkout's path enters a stack's resources."""

BACKEND_PORTS = (9001, 9002)
"""The two API backends, on every address inside the namespace."""

MIRROR_PORT = 9080
"""The package mirror, there too: http://ADDRESS:9080/RECIPE, what `lab.package_mirror` has filled."""

_QEMU_USER = "libvirt-qemu"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True)
class Forward:
    """A TCP port of the machine's 127.0.0.1 that leads to an address inside the lab."""

    port: int
    address: str
    address_port: int


@dataclass(frozen=True)
class Lab:
    """The paths of the lab called `name`."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise NordgateError(
                f'"{self.name}" is no name for a lab: small letters, digits and "-", a letter first. '
                "Labs are for stacks named LAB-test."
            )

    @property
    def root(self) -> Path:
        """The folder of all that the lab has."""
        return LABS / self.name

    @property
    def socket(self) -> Path:
        """The socket of the lab's libvirtd."""
        return self.root / "run" / "libvirt-sock"

    @property
    def uri(self) -> str:
        """The libvirt URI of the lab's hypervisor."""
        return f"qemu:///system?socket={self.socket}"

    @property
    def pid_file(self) -> Path:
        """The record of the lab's first process."""
        return self.root / "pid"

    @property
    def entries_file(self) -> Path:
        """The ways in that are open."""
        return self.root / "entries"

    @property
    def entries_pid_file(self) -> Path:
        """The record of the process that leads connections into the lab."""
        return self.root / "entries.pid"

    @property
    def log(self) -> Path:
        """The one log of all services of the lab."""
        return self.root / "log" / "lab.log"

    def link_file(self, other: Lab) -> Path:
        """What is known of the link with `other`; here if this lab's name sorts first."""
        return self.root / "links" / other.name

    @property
    def mounts(self) -> dict[Path, Path]:
        """libvirt's state folders, as compiled into it, and what stands there inside the lab.

        The account files stand in for those of the machine, which may lack the user that libvirt is compiled with.
        """
        return {
            Path("/etc/passwd"): self.root / "accounts" / "passwd",
            Path("/etc/group"): self.root / "accounts" / "group",
            Path("/etc/libvirt"): self.root / "etc",
            Path("/var/lib/libvirt"): self.root / "lib",
            Path("/var/cache/libvirt"): self.root / "cache",
            Path("/var/log/libvirt"): self.root / "log",
        }

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders that a lab starts with; `console` and `pool` are for guests' serial logs and volumes."""
        # libvirt keeps the addresses seen on a network in lib/dnsmasq, and does not make that folder itself.
        names = ("accounts", "etc", "lib/dnsmasq", "cache", "log", "run", "console", "pool", "chrony")
        return tuple(self.root / name for name in names)

    def configuration(self) -> dict[Path, str]:
        """The files that make libvirtd run without systemd, as root, on this lab's own socket."""
        host = uuid.uuid5(uuid.NAMESPACE_URL, f"nordgate:lab:{self.name}")
        return {
            self.root / "etc" / "libvirtd.conf": (
                f'unix_sock_dir = "{self.root}/run"\n'
                'unix_sock_rw_perms = "0700"\n'
                'auth_unix_ro = "none"\n'
                'auth_unix_rw = "none"\n'
                f'host_uuid = "{host}"\n'
                f'log_outputs = "2:file:{self.root}/log/libvirtd.log"\n'
            ),
            # Of its two ways to make rules, the one that leaves room for a link's.
            self.root / "etc" / "network.conf": 'firewall_backend = "iptables"\n',
            self.root / "etc" / "qemu.conf": (
                'user = "root"\n'
                'group = "root"\n'
                'security_driver = "none"\n'
                "namespaces = []\n"
                "cgroup_controllers = []\n"
                'stdio_handler = "file"\n'
                "remember_owner = 0\n"
            ),
            self.root / "accounts" / "passwd": _with_account(
                Path("/etc/passwd"), f"{_QEMU_USER}:x:64055:64055::/nonexistent:/usr/sbin/nologin"
            ),
            self.root / "accounts" / "group": _with_account(Path("/etc/group"), f"{_QEMU_USER}:x:64055:"),
            self.root / "chrony" / "chrony.conf": (
                # The lab's clock is the machine's: served as it is, never set.
                # /run is the lab's own and new at every start: no number of a process that is gone.
                "local stratum 8\nallow all\ncmdport 0\npidfile /run/chronyd.pid\n"
            ),
        }


def _with_account(file: Path, line: str) -> str:
    text = file.read_text()
    name = line.split(":", 1)[0]
    return text if any(entry.startswith(f"{name}:") for entry in text.splitlines()) else f"{text}{line}\n"
