"""What the guest really is, read back through its agent: one script reads all of it, and each promise is one line."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cloudinit import Check
from hosts.agent import GuestAgent
from hosts.problems import AgentProblem
from smoke.evidence import recorded_errors
from smoke.plan import GuestPromises
from smoke.verdict import Line, Verdict

CLOCK_BOUND = 1.0
"""Seconds that a guest's clock may differ from this machine's: far more than NTP leaves, and less than a log bears."""

_SETTLED_WITHIN = 60.0
_MARK = "\x1e"
_CLOUD_INIT = "/run/cloud-init/status.json"
_FIRST_LOOK = _SETTLED_WITHIN
"""Seconds after its start until chrony must have heard its servers, however slow the guest is."""

# What chrony says, and for how many seconds it has run: by the kernel's own time, which no clock can change.
_CHRONY = r"""
chronyc -c tracking
read -r pid </run/chrony/chronyd.pid && read -ra stat <"/proc/$pid/stat" && read -r up _ </proc/uptime
echo "$((${up%.*} - stat[21] / 100))"
"""

_TOOLS = r"""
set +e; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin; exec 2>/dev/null
section() { printf '\036%s\n' "$1"; }
# Processes are dear where the CPU is emulated: no cat.
show() { mapfile -t lines <"$1" && printf '%s\n' "${lines[@]}"; }
open_files() {
    while read -r a b c soft _; do [ "$a $b $c" != "Max open files" ] || echo "$soft"; done <"/proc/$1/limits"
}
read -r master </run/nginx.pid
workers=$(<"/proc/$master/task/$master/children")
section sockets; ss -Hlnt
section mounts; show /proc/mounts
section flags; while read -r key _ words; do [ "$key" != flags ] || { echo "$words"; break; }; done </proc/cpuinfo
section master; open_files "$master"
section worker; for worker in $workers; do open_files "$worker"; done
section kernel; show /proc/sys/kernel/osrelease
section nginx; nginx -v 2>&1
section openssl; openssl version
"""


@dataclass(frozen=True)
class Reading:
    """Everything that one look into the guest gave, by section."""

    sections: dict[str, str]

    @property
    def versions(self) -> dict[str, str]:
        """kernel, nginx and OpenSSL, as a report names them."""
        nginx = self.sections.get("nginx", "").rpartition("/")[2]
        openssl = self.sections.get("openssl", "").split()
        found = {
            "kernel": self.sections.get("kernel", "").strip(),
            "nginx": nginx.split()[0] if nginx.split() else "",
            "openssl": openssl[1] if len(openssl) > 1 else "",
        }
        return {name: version for name, version in found.items() if version}

    def value(self, check: Check) -> str:
        """What was found for one promise; several processes or listeners give their lowest value."""
        match check.probe:
            case "sysctl" | "file":
                return " ".join(self.sections.get(check.path, "").split())
            case "process-limit":
                return _lowest(self.sections.get(check.key, "").split())
            case "listen-backlog":
                rows = (line.split() for line in self.sections.get("sockets", "").splitlines())
                return _lowest([row[2] for row in rows if len(row) > 3 and row[3].endswith(f":{check.key}")])
            case "cpu-flag":
                return "yes" if check.key in self.sections.get("flags", "").split() else "no"
            case "mount-option":
                return ",".join(self._mount(check.key)[3:4])
            case "mount-source":
                return "".join(self._mount(check.key)[:1])
            case "config-hash":
                return self.sections.get(check.key, "").strip().rpartition("\n")[2].strip()

    def _mount(self, folder: str) -> list[str]:
        mounts = [line.split() for line in self.sections.get("mounts", "").splitlines()]
        return next((mount for mount in mounts if len(mount) > 3 and mount[1] == folder), [])


def read(agent: GuestAgent, promises: GuestPromises) -> Reading:
    """Ask the guest for all that the promises are about."""
    done = agent.exec(["/bin/bash", "-c", _script(promises)], timeout=60)
    parts = done.stdout.decode(errors="replace").split(_MARK)[1:]
    if not parts:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.exit_code}"
        raise AgentProblem(f"the guest {agent.domain} could not be read: {said}.")
    return Reading(dict(part.split("\n", 1) for part in parts))


def prove(reading: Reading, promises: GuestPromises) -> list[Line]:
    """One line for every promise, and one for the files."""
    lines = []
    for check in promises.checks:
        found = reading.value(check)
        wanted = {"==": "", ">=": "≥ ", "has": "has "}[check.comparison] + check.expected
        lines.append(_line(_title(check), found or "(nothing)", wanted, bool(found) and check.holds(found)))
    if promises.files:
        there = {line.strip() for line in reading.sections.get("files", "").splitlines()}
        other = [path for path, digest in promises.files.items() if f"{digest}  {path}" not in there]
        count = len(promises.files)
        found = f"{count - len(other)} as rendered" + (f"; not: {', '.join(other)}" if other else "")
        lines.append(_line("files on disk", found, f"{count} as rendered", not other))
    return lines


def settled(agent: GuestAgent, promises: GuestPromises, within: float = _SETTLED_WITHIN) -> list[Line]:
    """cloud-init has ended without errors and the clock is right: both come a little after the gateway is ready."""
    lines = [_wait(lambda: _cloud_init(agent), within)]
    if promises.synchronised:
        # A clock starts up to seconds off, from its hardware clock, and chrony steps it once it has heard its servers.
        lines.append(_wait(lambda: _synchronised(agent), within))
        lines.append(_clock(agent))
    return lines


def _wait(look: Callable[[], tuple[Line, bool]], within: float) -> Line:
    """Look until the line is final. What is wrong for good is not waited for."""
    deadline, pause = time.monotonic() + within, 0.5
    while True:
        line, final = look()
        if final or time.monotonic() > deadline:
            return line
        time.sleep(pause)
        pause = min(3.0, pause * 1.5)


def _cloud_init(agent: GuestAgent) -> tuple[Line, bool]:
    try:
        status: dict[str, Any] = json.loads(agent.read_file(_CLOUD_INIT))["v1"]
    except (ValueError, KeyError):
        return _line("cloud-init", f"{_CLOUD_INIT} cannot be read", "done, no errors", False), False
    errors = recorded_errors(status)
    running = status.get("stage") or not status.get("modules-final", {}).get("finished")
    found = "; ".join(errors) or (
        f"still in {status.get('stage') or 'its last stage'}" if running else "done, no errors"
    )
    return _line("cloud-init", found, "done, no errors", not errors and not running), bool(errors) or not running


def _synchronised(agent: GuestAgent) -> tuple[Line, bool]:
    """chrony's own word: `chronyc -c tracking` ends with the leap status, and its fifth field is the offset.

    A chrony that trusts its servers has stepped the clock already, or never will; one that has run for long has lost
    them, and with a clock that is off there is nothing to wait for.
    """
    said = agent.exec(["/bin/bash", "-c", _CHRONY]).stdout.decode(errors="replace").strip()
    fields, age = said.partition("\n")[0].split(","), said.rpartition("\n")[2]
    heard = len(fields) > 10 and fields[-1] == "Normal"
    good = heard and abs(float(fields[4])) < CLOCK_BOUND
    found = (
        f"{fields[-1].lower()}, {abs(float(fields[4])) * 1000:.1f} ms off" if len(fields) > 10 else "chrony is silent"
    )
    old = age.isdigit() and int(age) > _FIRST_LOOK
    final = heard or (old and _clock(agent).verdict is not Verdict.PASS)
    return _line("clock synchronised", found, f"normal, < {CLOCK_BOUND:g} s off", good), final


def _clock(agent: GuestAgent) -> Line:
    """Against this machine's: chrony calls a clock that was set by hand synchronised until it looks again."""
    before = time.time()
    guest = agent.command("guest-get-time") / 1e9
    after = time.time()
    off = max(before - guest, guest - after, 0.0)
    return _line("clock against this machine's", f"{off:.1f} s off", f"≤ {CLOCK_BOUND:g} s", off <= CLOCK_BOUND)


def _script(promises: GuestPromises) -> str:
    lines = [_TOOLS]
    for check in promises.checks:
        if check.probe in ("sysctl", "file"):
            lines.append(f"section {quote(check.path)}; show {quote(check.path)}")
        elif check.probe == "config-hash":
            host, _, path = check.key.removeprefix("http://").partition("/")
            address, _, port = host.partition(":")
            lines.append(f"section {quote(check.key)}; exec 3<>{quote(f'/dev/tcp/{address}/{port}')}")
            lines.append(f"printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' {quote(path)} >&3; cat <&3; exec 3>&-")
    if promises.files:
        lines.append(f"section files; sha256sum -- {shlex.join(promises.files)}")
    return "\n".join(lines) + "\n"


def _title(check: Check) -> str:
    titles = {
        "process-limit": f"nginx {check.key}: open files",
        "listen-backlog": f"accept queue of port {check.key}",
        "cpu-flag": f"CPU: {check.key}",
        "mount-option": f"{check.key}: mounted",
        "mount-source": f"{check.key}: on",
        "config-hash": "configuration that nginx serves",
        "file": check.key.removeprefix("/sys/module/").replace("/parameters/", ": "),
    }
    return titles.get(check.probe, check.key)


def _lowest(values: list[str]) -> str:
    numbers = [value for value in values if value.isdigit()]
    return min(numbers, key=int) if numbers else "".join(values[:1])


def _line(what: str, found: str, wanted: str, good: bool) -> Line:
    return Line(what, found, wanted, Verdict.PASS if good else Verdict.FAIL)
