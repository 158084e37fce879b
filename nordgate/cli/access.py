"""Ways into a gateway for people: SSH with a key that lives as long as the session, and the serial console."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from nordgate.console import phase
from nordgate.design.gateway_design import SHUT_DOWN_SECONDS, designs
from nordgate.errors import NordgateError
from nordgate.hypervisor import power
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.connection import pinned
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.settings.stack_settings import Settings
from smoke.plan_reader import parse_plan
from smoke.progress import Progress
from smoke.readiness import brought_back

_USER = "operator"
_KEY_SECONDS = 30
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


def ssh(stack: str, settings: Settings, gateway: str) -> int:
    """Log in as `operator`: a fresh key goes in through the guest agent, the host key comes out and is pinned."""
    agent = GuestAgent(_hypervisor(settings, gateway), f"{stack}-{gateway}")
    address = str(settings.gateways[gateway].address)
    with tempfile.TemporaryDirectory(prefix="nordgate-ssh-") as folder:
        key, known_hosts = Path(folder) / "key", Path(folder) / "known_hosts"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nordgate-session", "-f", str(key)],
            check=True,
            timeout=_KEY_SECONDS,
        )
        public = key.with_suffix(".pub").read_text().strip()
        known_hosts.write_text(f"{address} {agent.read_file(_HOST_KEY).decode()}")
        agent.add_authorized_keys(_USER, [public])
        try:
            words = ["ssh", "-F", "none", *pinned(known_hosts, key), *_proxy(settings, gateway)]
            return subprocess.run([*words, f"{_USER}@{address}"], check=False).returncode
        finally:
            agent.remove_authorized_keys(_USER, [public])


def console(stack: str, settings: Settings, gateway: str) -> int:
    """Connect this terminal to the guest's serial console until Ctrl-]."""
    hypervisor = _hypervisor(settings, gateway)
    words, environment = hypervisor.command("console", f"{stack}-{gateway}", "--force")
    return subprocess.run(words, env=environment, check=False).returncode


def stop(stack: str, settings: Settings, gateway: str) -> int:
    """Shut the gateway's guest down; 1 if it had to be cut off."""
    guest = power.Guest(uri=_hypervisor(settings, gateway).label, domain=f"{stack}-{gateway}", within=SHUT_DOWN_SECONDS)
    with phase(f"Shut down {guest.domain}"):
        clean = power.shut_down(guest)
    return 0 if clean else 1


def start(stack: str, settings: Settings, gateway: str) -> int:
    """Start the gateway's guest, or bring it back from whatever state it is in, and wait until it is ready."""
    hypervisor = _hypervisor(settings, gateway)
    made = next(found for found in designs(settings, stack, Path.cwd()) if found.name == gateway)
    plan = parse_plan(json.dumps(made.smoke_plan), gateway)
    brought_back(plan, hypervisor, GuestAgent(hypervisor, made.domain), Progress())
    return 0


def no_gateway(name: str, settings: Settings) -> str:
    """What to say of a gateway that the stack has not."""
    return f'there is no gateway "{name}"; the stack has {", ".join(settings.gateways)}.'


def _hypervisor(settings: Settings, gateway: str) -> Hypervisor:
    if gateway not in settings.gateways:
        raise NordgateError(no_gateway(gateway, settings))
    return Hypervisor(settings.hypervisors[settings.gateways[gateway].hypervisor].uri)


def _proxy(settings: Settings, gateway: str) -> list[str]:
    """A lab's guests stand in its own network: the connection starts inside it."""
    uri = settings.hypervisors[settings.gateways[gateway].hypervisor].uri
    socket = uri.partition("?socket=")[2]
    if not socket.startswith("/var/lib/nordgate/lab/"):
        return []
    lab = Path(socket).parents[1].name
    inside = shlex.join([sys.executable, "-m", "lab", "exec", lab]).replace("%", "%%")
    return ["-o", f"ProxyCommand={inside} socat - TCP:%h:%p"]
