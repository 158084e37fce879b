"""The preflight opens the connection as the deployment will: by the provider, whose SSH is not the ssh client."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.errors import HypervisorError
from nordgate.hypervisor.connection import read_uri
from nordgate.hypervisor.host_commands import HostCommands
from nordgate.preflight.demands import State
from nordgate.preflight.gather_facts import gather_facts
from nordgate.preflight.host_facts import system_uuid
from nordgate.preflight.provider import check_connection
from nordgate.preflight.refusals import explain
from tests.libvirt_rpc import libvirt_socket
from tests.sshd import Server, ssh_server
from tests.unit.hypervisor.test_hosts_checks import DEMAND
from toolchain.plugins import PLUGINS

PLUGIN = next(plugin.installed for plugin in PLUGINS if plugin.name == "libvirt")
UUID = "4c4c4544-0042-4a10-8054-b3c04f4e3033"
VARIANTS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("ssh_variants.yaml").read_text())
PLAIN = "qemu+ssh://root@127.0.0.1:{port}/system?socket={folder}/libvirt&{query}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder that the ssh client takes for one, too: by itself it goes by the account, not by HOME."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    client = tmp_path / "bin/ssh"
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/.ssh/config "$@"\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Server]]:
    """One server for all variants that ask for the same, beside a libvirt."""
    with ExitStack() as stack:

        @cache
        def server(settings: str, key_options: str) -> Server:
            folder = tmp_path_factory.mktemp("sshd")
            subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(folder / "ecdsa")], check=True)
            stack.enter_context(libvirt_socket(folder / "libvirt", UUID))
            return stack.enter_context(ssh_server(folder, settings.replace("{folder}", str(folder)), key_options))

        yield server


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[[Server, str], str]]:
    """An ssh-agent, to be given one of the server's keys, or "empty"."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)

    def holds(server: Server, key: str) -> str:
        end = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < end, "ssh-agent did not open its socket within 10 s"
            time.sleep(0.02)
        if key != "empty":
            add = ["ssh-add", "-q", str(server.folder / key)]
            subprocess.run(add, env={"SSH_AUTH_SOCK": str(path)}, stderr=subprocess.DEVNULL, check=True)
        return str(path)

    yield holds
    process.kill()
    process.wait(5)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if VARIANTS[name].get("long") else []) for name in VARIANTS]
)
def test_what_ssh_can_do_and_the_provider_cannot_is_found_and_named(
    name: str,
    servers: Callable[[str, str], Server],
    home: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = VARIANTS[name]
    server = servers(given.get("server", ""), given.get("key", ""))
    known = server.known_hosts("ecdsa" if given.get("known") == "ecdsa" else "host")
    if given.get("known") == "alias":
        known = server.folder / "known-alias"
        known.write_text("kvm-one " + (server.folder / "host.pub").read_text())
    words = {
        "port": server.port, "folder": server.folder, "home": home,
        "query": f"knownhosts={known}&keyfile={server.folder}/user",
    }  # fmt: skip

    def text(key: str, default: str = "") -> str:
        filled = str(given.get(key, default))
        for word, value in words.items():
            filled = filled.replace(f"{{{word}}}", str(value))
        return filled

    (home / ".ssh/config").write_text(text("client") + "\n")
    (home / ".ssh/more").write_text(text("more") + "\n")
    uri = text("uri", PLAIN)
    if "agent" in given:
        monkeypatch.setenv("SSH_AUTH_SOCK", request.getfixturevalue("agent")(server, given["agent"]))
    assert HostCommands(uri).run(["echo", "there"]) == "there\n", "the ssh client gets there"
    found = check_connection(PLUGIN, uri, UUID)
    if said := text("said"):
        assert found.state is State.FAIL
        assert said in found.found
        assert len(found.found.splitlines()) == 1
    else:
        assert found.state is State.OK, found
        assert found.found == "connected, to the same host"


SHUT = {
    "another command": ("ForceCommand /bin/false", "", "runs another command than it is asked for: see ForceCommand"),
    "a key for another command": ("", 'command="true"', "`command=` before the key"),
    "no session": ("MaxSessions 0", "", "allows no session: see MaxSessions"),
    "another login": ("DenyUsers root", "", "see `from=` and `expiry-time=` before it, and AllowUsers"),
    "a key for another place": ("", 'from="10.9.9.9"', "see `from=`"),
}


@pytest.mark.parametrize("name", SHUT)
def test_what_sshd_forbids_the_ssh_client_is_named(
    name: str, servers: Callable[[str, str], Server], home: Path
) -> None:
    settings, key, said = SHUT[name]
    server = servers(settings, key)
    (home / ".ssh/config").write_text("")
    uri = f"qemu+ssh://root@127.0.0.1:{server.port}/system?{server.query()}"
    with pytest.raises(HypervisorError) as problem:
        gather_facts(dataclasses.replace(DEMAND, uri=uri))
    assert said in str(problem.value)
    assert len(str(problem.value).splitlines()) == 1


@pytest.fixture
def local(tmp_path: Path) -> Iterator[str]:
    with libvirt_socket(tmp_path / "libvirt", UUID):
        yield f"qemu:///system?socket={tmp_path}/libvirt"


def test_a_host_of_the_same_name_that_is_another_is_no_answer(local: str) -> None:
    found = check_connection(PLUGIN, local, UUID.replace("4c4c", "5a5a"))
    assert found.state is State.FAIL
    assert f"reaches another host than ssh and virsh do: UUID {UUID}" in found.found


def test_a_proxy_of_the_environment_is_not_asked(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert check_connection(PLUGIN, local, UUID).state is State.OK


def test_a_host_that_tells_no_uuid_is_taken_as_it_is(local: str) -> None:
    assert check_connection(PLUGIN, local, "").state is State.OK
    computer = "<device><capability><hardware><uuid>{}</uuid></hardware></capability></device>"
    assert system_uuid(computer.format(UUID)) == UUID
    assert system_uuid(computer.format("00000000-0000-0000-0000-000000000000")) == ""
    assert system_uuid("") == system_uuid("<device><name>computer</name></device>") == ""


def test_a_local_libvirt_whose_socket_is_elsewhere_for_the_provider(tmp_path: Path) -> None:
    """virsh finds the sockets of separate daemons, and a session's own; the provider knows one path."""
    found = check_connection(PLUGIN, f"qemu:///system?socket={tmp_path}/none", UUID)
    assert found.state is State.FAIL
    assert f"dial unix {tmp_path}/none: connect: no such file or directory" in found.found


def test_a_libvirt_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "libvirt"))
        silent.listen()
        found = check_connection(PLUGIN, f"qemu:///system?socket={tmp_path}/libvirt", UUID, bound=1)
    assert found.state is State.FAIL
    assert "did not answer the provider within 1 s" in found.found


def test_a_plugin_that_is_not_there_or_does_not_start_is_told(tmp_path: Path) -> None:
    found = check_connection(tmp_path / "none", "qemu:///system", UUID)
    assert found.state is State.UNKNOWN
    assert "not installed" in found.found
    broken = tmp_path / "plugin"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert "ended at once" in check_connection(broken, "qemu:///system", UUID).found


CLOSED = "failed to connect to libvirt on the remote host: ssh: rejected: connect failed (open failed)"


def test_a_login_that_may_not_open_the_socket_is_told_the_group() -> None:
    where = read_uri("qemu+ssh://deploy@kvm1/system")
    assert "may not write to /var/run/libvirt/libvirt-sock: add it to the group" in explain(where, CLOSED, {}, "closed")


def test_a_login_that_is_refused_is_told_what_the_provider_offers() -> None:
    said = "ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]"
    assert "knows no certificates" in explain(read_uri("qemu+ssh://deploy@kvm1/system"), said, {}, "open")
