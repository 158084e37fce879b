"""What a person needs to see when a guest did not come up: its serial console, and cloud-init's own errors."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from cloudinit import PATHS
from nordgate.errors import AgentError, AgentSilentError, GuestFileMissingError, HypervisorError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor, last_lines
from smoke.plan import Libvirt

_LOG_BYTES = 128 * 1024
_CONSOLE_LINES = 2000
_MOST = 12
_GUEST_FILES = {
    "boot.json": "/run/nordgate/boot.json",
    "cloud-init.log": "/var/log/cloud-init.log",
    "cloud-init-output.log": "/var/log/cloud-init-output.log",
    "nginx-error.log": f"{PATHS.log}/error.log",
}
_BAD = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|^\w*(Error|Exception): ")


@dataclass
class Evidence:
    """What a person is shown of a guest that is not ready."""

    console: list[str] = field(default_factory=list)
    cloud_init: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """What is kept for later, by file name: console, domain, and the guest's own logs."""


def collect(libvirt: Libvirt, hypervisor: Hypervisor, lines: int = 30) -> Evidence:
    """Everything that can still be had; what cannot is named in a line of its own."""
    evidence = Evidence()
    connected = False
    log = libvirt.console_log
    try:
        evidence.files["domain.xml"] = hypervisor.virsh("dumpxml", libvirt.domain)
        view = hypervisor.look(libvirt.domain)
        connected, log = view.agent_connected, log or view.console_log
    except HypervisorError:
        pass  # said already: it is the reason for collecting, or hides behind it
    console = hypervisor.console_tail(log, _CONSOLE_LINES) if log else ["(the domain keeps no console log)"]
    evidence.console = console[-lines:]
    evidence.files["console.log"] = "\n".join(console) + "\n"
    if connected:
        agent = GuestAgent(hypervisor, libvirt.domain, timeout=5)
        evidence.cloud_init = cloud_init_errors(agent)
        for name, path in _GUEST_FILES.items():
            try:
                evidence.files[name] = agent.read_file(path, _LOG_BYTES, tail=True).decode(errors="replace")
            except AgentSilentError as problem:
                evidence.files[name] = f"({path} cannot be read: {problem})\n"
                break  # the others would only take as long again
            except (AgentError, HypervisorError) as problem:
                evidence.files[name] = f"({path} cannot be read: {problem})\n"
    else:
        evidence.cloud_init = ["(the guest agent is not connected: cloud-init cannot be asked)"]
    return evidence


def cloud_init_errors(agent: GuestAgent) -> list[str]:
    """cloud-init's errors from its own files: reading them is cheap where starting `cloud-init status` is not."""
    try:
        status = _json(agent, "/run/cloud-init/status.json").get("v1", {})
        found = recorded_errors(status)
        if not found:  # older releases record no warnings there
            log = agent.read_file("/var/log/cloud-init.log", _LOG_BYTES, tail=True).decode(errors="replace")
            found = [line for line in log.splitlines() if _BAD.search(line)]
        stage = status.get("stage")
        none = f"(none; cloud-init {f'is still in its stage {stage}' if stage else 'has ended'})"
        return last_lines("\n".join(found), _MOST) or [none]
    except (AgentError, HypervisorError) as problem:
        return [f"(cloud-init's errors cannot be read: {problem})"]


def recorded_errors(status: dict[str, Any]) -> list[str]:
    """Errors and warnings of all stages; what several stages repeat, once."""
    found: dict[str, str] = {}
    for stage, record in status.items():
        if isinstance(record, dict):
            for error in record.get("errors", []):
                found.setdefault(error, f"{stage}: {error}")
            for level, messages in record.get("recoverable_errors", {}).items():
                for message in messages if level != "DEPRECATED" else ():
                    found.setdefault(message, f"{stage}: {level}: {message}")
    return list(found.values())


def _json(agent: GuestAgent, path: str) -> dict[str, Any]:
    try:
        value = json.loads(agent.read_file(path))
    except (ValueError, GuestFileMissingError):
        return {}
    return value if isinstance(value, dict) else {}
