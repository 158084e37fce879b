"""What must read back in a running guest: the catalogue's promises, as a list that a smoke check walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudinit.catalogue.row import Disposition
from cloudinit.files import PATHS
from cloudinit.gateway_settings import GatewaySettings
from cloudinit.guest_settings import GuestSettings
from cloudinit.platforms import Platform

Probe = Literal[
    "sysctl",
    "file",
    "process-limit",
    "listen-backlog",
    "cpu-flag",
    "mount-option",
    "mount-source",
    "config-hash",
    "config-test",
    "unit",
    "failed-units",
    "free-space",
    "free-inodes",
    "device-filled",
    "device-bytes",
    "memory",
    "table-use",
    "firewall",
    "certificate-names",
    "certificate-ends",
]

_CONNTRACK = "net.netfilter.nf_conntrack"

FREE_PERCENT = 5
"""Of a file system or of the memory; what logs may fill by their settings leaves a quarter of the data volume."""


@dataclass(frozen=True)
class Check:
    """One promise. `holds` decides; how `key` is read depends on `probe`:

    - `sysctl`: the key, at `path`; `file`: the first line of that file
    - `process-limit`: `master` or `worker`: the soft limit of open files of these nginx processes
    - `listen-backlog`: port: what `ss -lnt` shows as Send-Q for every listener of that port
    - `cpu-flag`: `yes` when /proc/cpuinfo has the flag
    - `mount-option`: the options of the mount point; `mount-source`: its device
    - `config-hash`: the answer at that URL inside the guest
    - `config-test`: `ok` when nginx takes its files as they lie on the disk, and else its own words
    - `unit`: the unit's state, with `enabled` where that is asked for; `masked` before anything else
    - `failed-units`: their names, or `none`
    - `free-space`, `free-inodes`: percent of the file system that is mounted there, `memory`: of the guest's memory
    - `device-filled`: `whole device` when the ext4 file system that is mounted there takes all of it
    - `device-bytes`: how large the guest takes that device to be
    - `table-use`: percent of the limit `key`_max that `key`_count has reached
    - `firewall`: whether the rules in force are those of the file
    - `certificate-names`: those of the expected names that the certificate in this file is for
    - `certificate-ends`: `later` unless the certificate in this file has expired
    """

    probe: Probe
    key: str
    comparison: Literal["==", ">=", "<=", "has"]
    expected: str
    why: str

    @property
    def path(self) -> str:
        """Where a `sysctl` or a `file` is read, and what a `table-use` begins with."""
        return "/proc/sys/" + self.key.replace(".", "/") if self.probe in ("sysctl", "table-use") else self.key

    def holds(self, actual: str) -> bool:
        """Whether what was read keeps the promise. Fields are compared one by one; `-` promises nothing."""
        expected, found = self.expected.split(), actual.split()
        if self.comparison == "has":
            return self.expected in actual.replace(",", " ").split()
        if len(expected) != len(found):
            return False
        pairs = [(want, have) for want, have in zip(expected, found, strict=True) if want != "-"]
        if self.comparison == "==":
            return all(want == have for want, have in pairs)
        if self.comparison == "<=":
            return all(have.isdigit() and int(have) <= int(want) for want, have in pairs)
        return all(have == "unlimited" or (have.isdigit() and int(have) >= int(want)) for want, have in pairs)


def checks_for(
    gateway: GatewaySettings, platform: Platform, config_hash: str = "", guest: GuestSettings | None = None
) -> tuple[Check, ...]:
    """Every promise about a gateway on that platform.

    With `config_hash` also that its workers serve this very one, with `guest` also what that promises of itself.
    """
    found = [
        Check("sysctl", line.key, ">=" if line.disposition is Disposition.FLOOR else "==", line.value, line.why)
        for line in gateway.kernel.declared(gateway.ports, platform.kernel)
    ]
    buckets = str(gateway.kernel.conntrack_buckets)
    listeners = (gateway.listeners.http, gateway.listeners.https)
    found += [
        Check(
            "file", "/sys/module/nf_conntrack/parameters/hashsize", ">=", buckets, "one for each entry: chains of two"
        ),
        Check("process-limit", "master", ">=", str(gateway.limit_nofile), "the unit's limit, not PAM's"),
        Check("process-limit", "worker", ">=", str(gateway.rlimit_nofile), "nginx only logs when it cannot raise it"),
        *(Check("listen-backlog", str(port), ">=", str(gateway.kernel.backlog), "511 otherwise") for port in listeners),
        Check("table-use", _CONNTRACK, "<=", "90", "a full table drops every new connection"),
        Check("cpu-flag", "aes", "==", "yes", "TLS in software costs many times as much"),
        Check("mount-option", PATHS.data, "has", "noatime", "no write for each read"),
        Check(
            "mount-option", PATHS.bodies, "has", f"size={gateway.body_buffer_megabytes << 10}k", "bodies fill no disk"
        ),
        Check("mount-source", PATHS.data, "==", "/dev/vdb", "a virtio disk of its own, the second of the guest"),
        Check("device-filled", PATHS.data, "==", "whole device", "what a volume has grown by is for its logs"),
    ]
    found += next_start(gateway)
    if guest and guest.firewall:
        found.append(Check("firewall", "/etc/nftables.conf", "==", "as declared", "what is not allowed is refused"))
        found.append(Check("unit", "nftables.service", "==", "loaded", "the next boot starts with its rules"))
    if guest and guest.ntp_servers:
        found.append(Check("unit", "chrony.service", "==", "active, enabled", "who else would set the clock"))
    if config_hash:
        url = f"http://127.0.0.1:{gateway.listeners.status}/config-hash"
        found.append(Check("config-hash", url, "==", config_hash, "the running workers serve what was rendered"))
    return tuple(found)


def next_start(gateway: GatewaySettings) -> list[Check]:
    """What the next start of nginx or of the guest needs, and what the gateway is about to run out of."""
    free = str(FREE_PERCENT)
    found = [
        Check("config-test", "nginx -t", "==", "ok", "nginx reads its files again at its next start"),
        Check("certificate-names", PATHS.certificate, "==", " ".join(gateway.server_names), "clients ask for them all"),
        Check("certificate-ends", PATHS.certificate, "==", "later", "the next start serves what lies on the disk"),
        *(Check("unit", unit, "==", state, "a guest that starts without it is no gateway") for unit, state in _UNITS),
        Check("failed-units", "units", "==", "none", "something that the guest should do is not done"),
    ]
    for folder in ("/", PATHS.data):
        found.append(Check("free-space", folder, ">=", free, "bodies, logs and packages need room"))
        found.append(Check("free-inodes", folder, ">=", free, "without one no file can be made"))
    found.append(Check("memory", "memory", ">=", free, "the kernel ends processes when there is none"))
    return found


_UNITS = (
    ("nginx.service", "active"),
    ("nordgate-boot.service", "active"),
    ("nordgate-logrotate.timer", "active"),
    ("qemu-guest-agent.service", "active"),
)
