"""One look into a guest: one script through its agent reads everything that its proofs are about."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloudinit import Check
from nordgate.errors import AgentError
from nordgate.hypervisor.agent import GuestAgent
from smoke.plan import GuestPromises
from smoke.reading_script import script

_MARK = "\x1e"


@dataclass(frozen=True)
class Reading:
    """Everything that one look into the guest gave, by section."""

    sections: dict[str, str]

    @property
    def versions(self) -> dict[str, str]:
        """kernel, nginx and OpenSSL, as a report names them."""
        nginx = self.text("nginx").rpartition("/")[2]
        openssl = self.text("openssl").split()
        found = {
            "kernel": self.text("kernel"),
            "nginx": nginx.split()[0] if nginx.split() else "",
            "openssl": openssl[1] if len(openssl) > 1 else "",
        }
        return {name: version for name, version in found.items() if version}

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate that lies in the guest, as hexadecimal digits; empty when it was not read."""
        found = re.search(r"Fingerprint=([0-9A-F:]+)", self.text("certificate"))
        return found[1].replace(":", "").lower() if found else ""

    def file(self, path: str) -> str | None:
        """What stands in one of the files; None when it was not read."""
        _, mark, rest = ("\n" + self.sections.get("files", "")).partition(f"\n==> {path} <==\n")
        return re.split(r"\n==> /.+ <==\n", rest, maxsplit=1)[0] if mark else None

    def text(self, section: str) -> str:
        """What the guest said in that section."""
        return self.sections.get(section, "").strip()

    def value(self, check: Check) -> str:
        """What was found for one promise; several processes or listeners give their lowest value."""
        match check.probe:
            case "sysctl" | "file":
                return " ".join(self.text(check.path).split())
            case "process-limit":
                return _lowest(self.text(check.key).split())
            case "listen-backlog":
                rows = (line.split() for line in self.text("sockets").splitlines())
                return _lowest([row[2] for row in rows if len(row) > 3 and row[3].endswith(f":{check.key}")])
            case "cpu-flag":
                return "yes" if check.key in self.text("flags").split() else "no"
            case "mount-option":
                return ",".join(self._mount(check.key)[3:4])
            case "mount-source":
                return "".join(self._mount(check.key)[:1])
            case "config-hash":
                return self.text(check.key).rpartition("\n")[2].strip()
            case "config-test":
                return self._configuration()
            case "unit":
                return self._unit(check.key, check.expected)
            case "failed-units":
                failed = [line.split()[0] for line in self.text("failed").splitlines() if line.split()]
                return " ".join(failed) or ("none" if "failed" in self.sections else "")
            case "device-filled":
                return self._filled()
            case "device-bytes":
                sectors = self.text("device").partition("\n")[0]
                return str(512 * int(sectors)) if sectors.isdigit() else ""
            case "free-space" | "free-inodes":
                return self._free(check.key, 1 if check.probe == "free-space" else 3)
            case "memory":
                sizes = dict(re.findall(r"^(\w+): +(\d+) kB", self.text("memory"), re.MULTILINE))
                return _percent(sizes.get("MemAvailable", ""), sizes.get("MemTotal", ""))
            case "table-use":
                return _percent(*(self.text(check.path + end) for end in ("_count", "_max")))
            case "firewall":
                return self.text("firewall")
            case "certificate-names":
                there = set(re.findall(r"DNS:(\S+?)(?:,|\s|$)", self.text("certificate")))
                return " ".join(name for name in check.expected.split() if _covered(name, there))
            case "certificate-ends":
                said = self.text("certificate")
                ends = re.search(r"notAfter=(.+)", said)
                return "later" if "will not expire" in said else f"expired on {ends[1]}" if ends else ""

    def _mount(self, folder: str) -> list[str]:
        mounts = [line.split() for line in self.text("mounts").splitlines()]
        return next((mount for mount in mounts if len(mount) > 3 and mount[1] == folder), [])

    def _configuration(self) -> str:
        lines = self.text("nginx-t").splitlines()
        if lines and lines[-1] == "ok":
            return "ok"
        return next((line.removeprefix("nginx: ") for line in lines if "[emerg]" in line), "".join(lines[:1]))

    def _unit(self, name: str, expected: str) -> str:
        for record in self.text("units").split("\n\n"):
            facts = dict(line.partition("=")[::2] for line in record.splitlines())
            if facts.get("Id") != name:
                continue
            if facts["LoadState"] != "loaded" or expected == "loaded":
                return facts["LoadState"]
            state = facts["ActiveState"]
            return f"{state}, {facts['UnitFileState']}" if "," in expected else state
        return ""

    def _filled(self) -> str:
        """Of the device's sectors, and numbers of the superblock (Linux: fs/ext4/ext4.h) from s_blocks_count_lo on."""
        numbers = self.text("device").split()
        if len(numbers) != 9 or not all(number.isdigit() for number in numbers):
            return ""
        sectors, blocks, *_, log_block, _, blocks_per_group = map(int, numbers)
        device, block = 512 * sectors, 1024 << log_block
        # Past 2^32 blocks the count goes on in another field. A last group too small for its own tables is never made.
        unused = (device - blocks * block) % (block << 32)
        return (
            "whole device"
            if unused < blocks_per_group * block // 8
            else f"{blocks * block >> 20} of {device >> 20} MiB"
        )

    def _free(self, folder: str, column: int) -> str:
        """Of `blocks free-blocks inodes free-inodes folder`; a file system without a table of inodes has no end."""
        for line in self.text("space").splitlines():
            *numbers, name = line.split()
            if name == folder and len(numbers) == 4:
                return _percent(numbers[column], numbers[column - 1]) if numbers[column - 1] != "0" else "100"
        return ""


SLOW_PROBES = frozenset({"config-test", "firewall", "certificate-names", "certificate-ends", "unit", "failed-units"})
"""Probes that start programs which take their time: seconds in all where the CPU is emulated."""


_ABOUT_TO_CHANGE = frozenset({"device-bytes"})
"""What a deployment itself makes so before it proves it."""


def quick(promises: GuestPromises) -> GuestPromises:
    """What of the promises can be read at next to no cost: no program is asked that takes its time, chrony neither."""
    checks = tuple(check for check in promises.checks if check.probe not in SLOW_PROBES | _ABOUT_TO_CHANGE)
    return promises.model_copy(update={"checks": checks, "synchronised": False})


def read(agent: GuestAgent, promises: GuestPromises, versions: bool = True) -> Reading:
    """Ask the guest for all that the promises are about, and for the `versions` of its programs."""
    done = agent.exec(["/bin/bash", "-c", script(promises, versions)], timeout=60)
    return Reading(sections(agent, done.stdout, done.stderr, done.exit_code))


def sections(agent: GuestAgent, stdout: bytes, stderr: bytes, exit_code: int) -> dict[str, str]:
    """What a script of sections printed, by section. Raises AgentError when it printed none."""
    parts = stdout.decode(errors="replace").split(_MARK)[1:]
    if not parts:
        said = stderr.decode(errors="replace").strip() or f"exit code {exit_code}"
        raise AgentError(f"the guest {agent.domain} could not be read: {said}.")
    return dict(part.partition("\n")[::2] for part in parts)


def _covered(name: str, there: set[str]) -> bool:
    """A wildcard stands for one label (RFC 6125); a name that is one itself must be there as it is."""
    return name in there or f"*.{name.partition('.')[2]}" in there


def _percent(part: str, whole: str) -> str:
    return str(100 * int(part) // int(whole)) if part.isdigit() and whole.isdigit() and int(whole) else ""


def _lowest(values: list[str]) -> str:
    numbers = [value for value in values if value.isdigit()]
    return min(numbers, key=int) if numbers else "".join(values[:1])
