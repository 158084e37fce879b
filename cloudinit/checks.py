"""What must read back in a running guest: the catalogue's promises, as a list that a smoke check walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudinit.catalogue.model import Disposition
from cloudinit.files import PATHS
from cloudinit.gateway import GatewaySettings
from cloudinit.platforms import Platform

Probe = Literal[
    "sysctl", "file", "process-limit", "listen-backlog", "cpu-flag", "mount-option", "mount-source", "config-hash"
]


@dataclass(frozen=True)
class Check:
    """One promise. `holds` decides; how `key` is read depends on `probe`:

    - `sysctl`: the key, at `path`; `file`: the first line of that file
    - `process-limit`: `master` or `worker`: the soft limit of open files of these nginx processes
    - `listen-backlog`: port: what `ss -lnt` shows as Send-Q for every listener of that port
    - `cpu-flag`: `yes` when /proc/cpuinfo has the flag
    - `mount-option`: the options of the mount point; `mount-source`: its device
    - `config-hash`: the answer at that URL inside the guest
    """

    probe: Probe
    key: str
    comparison: Literal["==", ">=", "has"]
    expected: str
    why: str

    @property
    def path(self) -> str:
        """Where a `sysctl` or a `file` is read."""
        return "/proc/sys/" + self.key.replace(".", "/") if self.probe == "sysctl" else self.key

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
        return all(have == "unlimited" or (have.isdigit() and int(have) >= int(want)) for want, have in pairs)


def checks_for(gateway: GatewaySettings, platform: Platform, config_hash: str = "") -> tuple[Check, ...]:
    """Every promise about a gateway on that platform; with `config_hash`, also that its workers serve this very one."""
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
        Check("cpu-flag", "aes", "==", "yes", "TLS in software costs many times as much"),
        Check("mount-option", PATHS.data, "has", "noatime", "no write for each read"),
        Check(
            "mount-option", PATHS.bodies, "has", f"size={gateway.body_buffer_megabytes << 10}k", "bodies fill no disk"
        ),
        Check("mount-source", PATHS.data, "==", "/dev/vdb", "a virtio disk of its own, the second of the guest"),
    ]
    if config_hash:
        url = f"http://127.0.0.1:{gateway.listeners.status}/config-hash"
        found.append(Check("config-hash", url, "==", config_hash, "the running workers serve what was rendered"))
    return tuple(found)
