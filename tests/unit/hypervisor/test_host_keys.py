"""Every ssh and virsh that anything starts goes by the host key that is pinned, and by nothing of the user's own."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nordgate.cli import access
from nordgate.errors import HypervisorError, TargetError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.host_commands import HostCommands
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.settings.connection_rules import hypervisor_reach
from smoke.engine.job import Job
from smoke.load import Vantage
from smoke.vantage import measure
from tests.unit.sources import PROJECT, sources

PROGRAMS = {"ssh", "scp", "sftp", "rsync", "ssh-keyscan", "ssh-copy-id", "virsh", "virt-xml", "virt-copy-in"}
STARTED = {
    ("nordgate/hypervisor/host_commands.py", "run", "ssh"),
    # It prints its settings and connects to nothing.
    ("nordgate/preflight/provider.py", "_ssh_settings", "ssh"),
    ("nordgate/hypervisor/virsh.py", "command", "ssh"),
    ("nordgate/hypervisor/virsh.py", "command", "virsh"),
    ("nordgate/cli/access.py", "ssh", "ssh"),
    ("smoke/vantage.py", "_command", "ssh"),
    # A lab's own socket, on this machine.
    ("lab/control.py", "guests", "virsh"),
    ("lab/services.py", "silent_services", "virsh"),
}
"""File, function, program. One more must be held to a pinned key below as well."""

URI = "qemu+ssh://deploy@host1/system?knownhosts=/etc/nordgate/known_hosts&keyfile=/etc/nordgate/key"
PINNED = {
    "UserKnownHostsFile=/etc/nordgate/known_hosts", "GlobalKnownHostsFile=/dev/null", "KnownHostsCommand=none",
    "StrictHostKeyChecking=yes", "VerifyHostKeyDNS=no", "NoHostAuthenticationForLocalhost=no", "ControlPath=none",
    "BatchMode=yes", "IdentitiesOnly=yes", "/etc/nordgate/key",
}  # fmt: skip
SETTINGS: Any = SimpleNamespace(
    hypervisors={"host1": SimpleNamespace(uri=URI)},
    gateways={"gw1": SimpleNamespace(hypervisor="host1", address=IPv4Address("10.81.0.11"))},
)


def started() -> Iterator[tuple[str, str, str]]:
    """Where our own code begins a command with one of the programs."""
    for path in sources():
        place = path.relative_to(PROJECT)
        for function in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.List | ast.Tuple) and node.elts and isinstance(node.elts[0], ast.Constant):
                    program = str(node.elts[0].value).rpartition("/")[2]
                    # One word alone is a list of words; a command has more.
                    if program in PROGRAMS and not all(isinstance(other, ast.Constant) for other in node.elts):
                        yield str(place), function.name, program


def test_nothing_else_starts_one() -> None:
    assert set(started()) == STARTED


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the last ssh was told. A virsh here starts the ssh that its URI names, as libvirt does; else plain ssh."""
    told = tmp_path / "told"
    virsh = "import os, sys; named = sys.argv[sys.argv.index('-c') + 1].rpartition('&command=')[2]"
    for name, text in {
        "ssh": f"import sys; open({str(told)!r}, 'w').write('\\n'.join(sys.argv[1:])); sys.exit(255)",
        "virsh": f"{virsh}; os.execvp(named, ['ssh', 'host1', 'virt-ssh-helper'])",
        "ssh-keygen": "import sys; open(sys.argv[-1] + '.pub', 'w').write('ssh-ed25519 AAAA nordgate-session')",
    }.items():
        (tmp_path / name).write_text(f"#!{sys.executable}\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return lambda: told.read_text().splitlines()


def test_virsh_for_whatever_is_asked_of_libvirt(words: Any) -> None:
    """Preflight, readiness, the guest agent, images, volumes, power."""
    with pytest.raises(HypervisorError):
        Hypervisor(URI).virsh("list")
    assert set(words()) >= PINNED


def test_a_parameter_that_only_looks_like_another_changes_nothing(words: Any) -> None:
    with pytest.raises(HypervisorError):
        Hypervisor(URI.replace("nordgate/key", "command=/key")).virsh("list")
    assert set(words()) >= PINNED - {"/etc/nordgate/key"}


def test_the_console(words: Any) -> None:
    assert access.console("oslo", SETTINGS, "gw1") != 0
    assert set(words()) >= PINNED


def test_commands_on_a_host(words: Any) -> None:
    with pytest.raises(HypervisorError):
        HostCommands(URI).run(["true"])
    assert set(words()) >= PINNED


def test_a_load_generator_on_a_host(words: Any) -> None:
    with pytest.raises(TargetError):
        list(measure(Vantage(name="host1", reach=hypervisor_reach(URI)), Job((), 1, 1, 1, 0, 1, 1, 1)))
    assert set(words()) >= PINNED


def test_a_guests_key_is_the_one_that_its_agent_shows_and_no_other(words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over libvirt, whose host is pinned: nobody between here and the guest can put in another."""
    monkeypatch.setattr(GuestAgent, "read_file", lambda *_: b"ssh-ed25519 AAAA root@gw1\n")
    monkeypatch.setattr(GuestAgent, "add_authorized_keys", lambda *_: None)
    monkeypatch.setattr(GuestAgent, "remove_authorized_keys", lambda *_: None)
    assert access.ssh("oslo", SETTINGS, "gw1") == 255
    assert {option for option in words() if "=" in option} >= {option for option in PINNED if "nordgate" not in option}
    known = [option for option in words() if option.startswith("UserKnownHostsFile=")]
    assert len(known) == 1
    assert "/nordgate-ssh-" in known[0]
    assert words()[:2] == ["-F", "none"]
