"""Asks a host everything that a preflight wants to know: two calls of virsh and one command, none changes anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shlex import quote

from nordgate.errors import HypervisorError, LibvirtUnreachableError
from nordgate.hypervisor.host_commands import HostCommands
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.preflight.demands import HostDemand
from nordgate.preflight.host_facts import HostFacts, read_facts
from nordgate.preflight.sections import marker, split

PROBE = Path(__file__).with_name("probe.sh")
_ECHO = "nordgate-was-here"
BOUND = 15
"""Seconds that each question may take."""


def gather_facts(demand: HostDemand) -> HostFacts:
    """What there is on the host. Raises HypervisorError when its libvirt cannot be asked."""
    try:
        return _survey(demand)
    except LibvirtUnreachableError:
        if other := _another_command(demand.uri):
            raise HypervisorError(other) from None
        raise


def _survey(demand: HostDemand) -> HostFacts:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_probe, demand)
        hypervisor = Hypervisor(demand.uri)
        questions = {
            "version": "version --daemon",
            "capabilities": "capabilities",
            "freepages": "freepages --all",
            "disks": "nodedev-list storage",
            "computer": "nodedev-dumpxml computer",
            "domain": "list --all --uuid",
            "network": "net-list --all --uuid",
            "pool": "pool-list --all --uuid",
            "running pools": "pool-list --uuid",
        }
        if demand.bridge:
            questions["bridge"] = f"iface-dumpxml {quote(demand.bridge)}"
        listing = _ask(hypervisor, questions)
        details = {
            **{f"domain {uuid}": f"dumpxml {quote(uuid)}" for uuid in listing["domain"].split()},
            **{f"network {uuid}": f"net-dumpxml {quote(uuid)}" for uuid in listing["network"].split()},
            **{f"pool {uuid}": f"pool-dumpxml {quote(uuid)}" for uuid in listing["pool"].split()},
            **{f"volumes {uuid}": f"vol-list {quote(uuid)}" for uuid in listing["running pools"].split()},
        }
        answers = _ask(hypervisor, details) if details else {}
        probe, problem = asked.result()
    return read_facts(listing, answers, probe, problem)


def _another_command(uri: str) -> str | None:
    """Whether the host's SSH server runs something else than what it is asked for: then virsh fails in odd ways."""
    commands = HostCommands(uri)
    if commands.connection.way != "ssh":
        return None
    try:
        if _ECHO in commands.run(["echo", _ECHO], timeout=BOUND):
            return None
    except HypervisorError:
        pass  # virsh was let in just now: what failed is the command
    return (
        f"{commands.connection.host} runs another command than it is asked for: see ForceCommand in its sshd_config, "
        f"`command=` before the key in authorized_keys, and the login's shell."
    )


def _ask(hypervisor: Hypervisor, questions: dict[str, str]) -> dict[str, str]:
    """One connection for all: virsh goes on after a question that fails, whose section then stays empty."""
    words = "; ".join(f"echo {quote(marker(name))}; {question}" for name, question in questions.items())
    return dict.fromkeys(questions, "") | split(hypervisor.virsh(f"{words}; echo", timeout=BOUND))


def _probe(demand: HostDemand) -> tuple[dict[str, str] | None, str]:
    commands = HostCommands(demand.uri)
    if not commands.possible:
        where = commands.connection
        return None, f"{where.transport} leads to the libvirt of {where.host} only: use qemu+ssh"
    words = ["sh", "-s", "--", demand.pool_path, demand.volume_group or "-", demand.prefix]
    words.append(demand.bridge or demand.open_vswitch or demand.macvtap or "-")
    try:
        return split(commands.run(words, PROBE.read_text(), timeout=BOUND)), ""
    except HypervisorError as problem:
        return None, str(problem).rstrip(".")
