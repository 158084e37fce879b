"""What a libvirt URI says about the way to a host, and what becomes of it when the way is barred."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from nordgate.errors import HypervisorError
from nordgate.hypervisor.connection import read_uri
from nordgate.hypervisor.host_commands import HostCommands, ssh_sentence
from nordgate.hypervisor.virsh import Hypervisor


@pytest.mark.parametrize(
    ("uri", "way", "transport"),
    [
        ("qemu:///system", "local", "unix"),
        ("qemu:///system?socket=/run/x", "local", "unix"),
        ("qemu+unix:///system", "local", "unix"),
        ("qemu+ssh://deploy@host1/system", "ssh", "ssh"),
        ("qemu+libssh2://host1/system", "ssh", "libssh2"),
        ("qemu+tls://host1/system", "libvirt only", "tls"),
        ("qemu://host1/system", "libvirt only", "tls"),
        ("qemu+tcp://host1/system", "libvirt only", "tcp"),
    ],
)
def test_commands_go_where_libvirt_is(uri: str, way: str, transport: str) -> None:
    where = read_uri(uri)
    assert (where.way, where.transport) == (way, transport)


@pytest.mark.parametrize(
    ("query", "option"),
    [
        ("", "StrictHostKeyChecking=yes"),
        ("?knownhosts=/etc/hosts.ssh", "UserKnownHostsFile=/etc/hosts.ssh"),
        ("?knownhosts=/etc/hosts.ssh", "StrictHostKeyChecking=yes"),
        ("?known_hosts_verify=auto", "StrictHostKeyChecking=accept-new"),
        ("?known_hosts_verify=ignore", "StrictHostKeyChecking=no"),
        ("?no_verify=1", "UserKnownHostsFile=/dev/null"),
        ("?no_verify=0", "StrictHostKeyChecking=yes"),
        ("?keyfile=/root/k", "/root/k"),
        ("", "BatchMode=yes"),
        ("", "ServerAliveInterval=5"),
        ("", "ServerAliveCountMax=3"),
        ("", "ControlPath=none"),
    ],
)
def test_ssh_does_as_the_uri_says(query: str, option: str) -> None:
    assert option in read_uri(f"qemu+ssh://deploy@host1:2222/system{query}").ssh_options


def test_user_and_port_of_the_uri_are_used() -> None:
    where = read_uri("qemu+ssh://deploy@host1:2222/system")
    assert where.login == "deploy@host1"
    assert where.ssh_options[-2:] == ("-p", "2222")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.", "shows another SSH host key"),
        ("No ED25519 host key is known for host1\nHost key verification failed.", "is not in /etc/known"),
        ("deploy@host1: Permission denied (publickey).", "refuses the SSH login deploy@host1: put the key"),
        ("ssh: connect to host host1 port 22: Connection refused", "cannot be reached by SSH: connect to host host1"),
        ("ssh: Could not resolve hostname host1: Name or service not known", "Could not resolve hostname"),
        ("Timeout, server host1 not responding.", "has gone silent: its SSH server answered nothing for 15 s"),
        ("", "ssh said nothing"),
    ],
)  # fmt: skip
def test_a_barred_way_is_one_sentence_with_what_to_do(said: str, sentence: str) -> None:
    text = ssh_sentence(read_uri("qemu+ssh://deploy@host1/system?knownhosts=/etc/known"), said)
    assert sentence in text
    assert "\n" not in text


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


def test_a_command_goes_over_ssh_as_one_quoted_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "ssh", "import sys; print(sys.argv[-2:], sys.stdin.read())")
    monkeypatch.setenv("PATH", str(tmp_path))
    said = HostCommands("qemu+ssh://deploy@host1/system").run(["sh", "-s", "--", "/a b; rm x"], stdin="script")
    assert said == "['deploy@host1', \"sh -s -- '/a b; rm x'\"] script\n"


def test_no_command_goes_where_only_libvirt_listens() -> None:
    with pytest.raises(HypervisorError, match="tls leads to the libvirt of host1 only"):
        HostCommands("qemu+tls://host1/system").run(["true"])


def test_a_command_that_hangs_ends_at_its_bound() -> None:
    started = time.monotonic()
    with pytest.raises(HypervisorError, match="sleep on this machine did not end within 0 s"):
        HostCommands("qemu:///system").run(["sleep", "20"], timeout=0.2)
    assert time.monotonic() - started < 5


def test_a_command_that_fails_says_so_with_its_last_words() -> None:
    with pytest.raises(HypervisorError, match="sh on this machine failed with code 3: bad"):
        HostCommands("qemu:///system").run(["sh", "-c", "echo worse >&2; echo bad >&2; exit 3"])


def test_virsh_checks_the_host_key_as_the_uri_says_and_asks_nobody() -> None:
    words, _ = Hypervisor("qemu+ssh://deploy@host1/system?knownhosts=/etc/known").command("list")
    uri = words[2]
    assert uri.startswith("qemu+ssh://deploy@host1/system?knownhosts=/etc/known&command=/")


def test_the_ssh_that_virsh_calls_has_those_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "virsh", "import os,sys; os.execv(sys.argv[2].partition('command=')[2], ['ssh', 'called'])")
    program(tmp_path, "ssh", "import sys; print(*sys.argv[1:])")
    monkeypatch.setenv("PATH", str(tmp_path))
    said = Hypervisor("qemu+ssh://host1/system?knownhosts=/etc/known").virsh("list")
    assert "-o BatchMode=yes" in said
    assert "UserKnownHostsFile=/etc/known " in said
    assert said.endswith(" called\n")
