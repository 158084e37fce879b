"""The proofs of what a guest really is: the same ones for the smoke check, for verify and before a deployment."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from cloudinit import Check, substance
from nordgate.hypervisor.agent import GuestAgent
from smoke import clock
from smoke.diagnostics import recorded_errors
from smoke.plan import GuestPromises
from smoke.plan_reader import parse_plan
from smoke.reading import Reading, quick, read
from smoke.reading_script import CLOUD_INIT
from smoke.verdict import Line, Verdict

SETTLED_WITHIN = 60.0
"""Seconds that cloud-init and the clock may need after the gateway is ready."""


def promises_of(plan: Mapping[str, Any], gateway: str) -> GuestPromises:
    """What a stack's own plan for the gateway promises of its guest: every such plan does."""
    promises = parse_plan(json.dumps(plan), gateway).guest
    assert promises is not None  # noqa: S101
    return promises


def proofs(agent: GuestAgent, promises: GuestPromises, within: float = SETTLED_WITHIN) -> tuple[Reading, list[Line]]:
    """Read the guest once and prove all of it; what comes a little after the boot is waited for, `within` seconds."""
    reading = read(agent, promises)
    return reading, [*prove(reading, promises), *cloud_init_and_clock(agent, promises, reading, within)]


def look(agent: GuestAgent, promises: GuestPromises) -> list[str]:
    """One quick look without waiting: a sentence for everything that a guest in service no longer keeps."""
    cheap = quick(promises)
    lines = prove(read(agent, cheap, versions=False), cheap)
    if promises.synchronised:
        lines.append(clock.against_this_machine(agent))
    return [line.sentence for line in lines if line.verdict is Verdict.FAIL]


def prove(reading: Reading, promises: GuestPromises) -> list[Line]:
    """One line for every promise, and one for the files."""
    lines = [_line_of(check, reading.value(check)) for check in promises.checks]
    if promises.files:
        other = [path for path, digest in promises.files.items() if _digest(path, reading.file(path)) != digest]
        count = len(promises.files)
        found = f"{count - len(other)} as rendered" + (f"; not: {', '.join(other)}" if other else "")
        lines.append(Line.judged("files on disk", found, f"{count} as rendered", not other))
    return lines


def _digest(path: str, text: str | None) -> str:
    """Of what counts of the file, as a plan has it; nothing of one that was not read."""
    return "" if text is None else hashlib.sha256(substance(path, text).encode()).hexdigest()


def cloud_init_and_clock(agent: GuestAgent, promises: GuestPromises, reading: Reading, within: float) -> list[Line]:
    """cloud-init has ended without errors and the clock is right: both come a little after the gateway is ready."""
    first = _cloud_init(reading.text("cloud-init"))
    lines = [_wait(first, lambda: _cloud_init(_said(agent)), within)]
    if promises.synchronised:
        # A clock starts up to seconds off, from its hardware clock, and chrony steps it once it has heard its servers.
        heard = clock.synchronised(agent, reading.text("chrony"))
        lines.append(_wait(heard, lambda: clock.synchronised(agent), within))
        lines.append(clock.against_this_machine(agent))
    return lines


def _wait(first: tuple[Line, bool], look: Callable[[], tuple[Line, bool]], within: float) -> Line:
    """Look again until the line is final. What is wrong for good is not waited for."""
    deadline, pause = time.monotonic() + within, 0.5
    line, final = first
    while not final and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(3.0, pause * 1.5)
        line, final = look()
    return line


def _said(agent: GuestAgent) -> str:
    return agent.read_file(CLOUD_INIT).decode(errors="replace")


def _cloud_init(said: str) -> tuple[Line, bool]:
    try:
        status: dict[str, Any] = json.loads(said)["v1"]
    except (ValueError, KeyError):
        return Line.judged("cloud-init", f"{CLOUD_INIT} cannot be read", "done, no errors", False), False
    errors = recorded_errors(status)
    running = status.get("stage") or not status.get("modules-final", {}).get("finished")
    found = "; ".join(errors) or (
        f"still in {status.get('stage') or 'its last stage'}" if running else "done, no errors"
    )
    return Line.judged("cloud-init", found, "done, no errors", not errors and not running), bool(errors) or not running


def _line_of(check: Check, found: str) -> Line:
    good = bool(found) and check.holds(found)
    match check.probe:
        case "certificate-names":
            names = check.expected.split()
            missing = [name for name in names if name not in found.split()]
            told = f"not: {', '.join(missing)}" if missing else "all of them"
            return Line.judged(_title(check), told, f"all {len(names)} server names", not missing)
        case "free-space" | "free-inodes" | "memory" | "table-use":
            sign = "≥" if check.comparison == ">=" else "≤"
            return Line.judged(
                _title(check), f"{found} %" if found else "(nothing)", f"{sign} {check.expected} %", good
            )
        case _:
            wanted = {"==": "", ">=": "≥ ", "<=": "≤ ", "has": "has "}[check.comparison] + check.expected
            return Line.judged(_title(check), found or "(nothing)", wanted, good)


def _title(check: Check) -> str:
    titles = {
        "process-limit": f"nginx {check.key}: open files",
        "listen-backlog": f"accept queue of port {check.key}",
        "cpu-flag": f"CPU: {check.key}",
        "mount-option": f"{check.key}: mounted",
        "mount-source": f"{check.key}: on",
        "config-hash": "configuration that nginx serves",
        "config-test": "configuration on disk",
        "failed-units": "failed units",
        "device-filled": f"{check.key}: file system",
        "device-bytes": f"{check.key}: bytes of its device",
        "free-space": f"{check.key}: free",
        "free-inodes": f"{check.key}: free inodes",
        "memory": "available memory",
        "table-use": "connection tracking table",
        "firewall": "firewall",
        "certificate-names": "certificate on disk: names",
        "certificate-ends": "certificate on disk: expires",
        "file": check.key.removeprefix("/sys/module/").replace("/parameters/", ": "),
    }
    return titles.get(check.probe, check.key)
