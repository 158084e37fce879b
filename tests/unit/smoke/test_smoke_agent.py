"""The guest agent's commands, the console's tail, and what is collected from a guest that did not come up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nordgate.errors import GuestFileMissingError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor, last_lines
from smoke.diagnostics import cloud_init_errors, collect
from smoke.plan import Libvirt


@pytest.fixture
def agent(guest: Any) -> GuestAgent:
    return GuestAgent(guest.hypervisor, "gw1")


def test_file_is_read_whole_or_from_its_end_and_closed(guest: Any, agent: GuestAgent) -> None:
    guest.set(files={"/f": "x" * 300_000 + "end"})
    assert len(agent.read_file("/f")) == 300_003
    assert agent.read_file("/f", limit=4, tail=True) == b"xend"
    assert guest.get("commands").count("guest-file-close") == 2


def test_missing_file_is_told_apart(agent: GuestAgent) -> None:
    with pytest.raises(GuestFileMissingError, match=r"'/none'.*No such file"):
        agent.read_file("/none")


def test_command_runs_with_its_words_input_and_exit_code(guest: Any, agent: GuestAgent) -> None:
    done = agent.exec(["/bin/echo", "a b", "c"], stdin=b"in")
    assert (done.exit_code, done.stdout) == (3, b"a b c")
    assert guest.get("exec")["input-data"] == "aW4="


def test_keys_are_added_through_the_agent(guest: Any, agent: GuestAgent) -> None:
    agent.add_authorized_keys("debian", ["ssh-ed25519 AAAA"])
    assert guest.get("commands") == ["guest-ssh-add-authorized-keys"]


def test_console_tail_keeps_the_last_lines_and_no_escape_codes() -> None:
    assert last_lines("a\r\n\x1b[1;31mb\x1b[0m\r\n\n\x1b]0;t\x07c\x00\n", 2) == ["b", "c"]


def test_console_log_is_found_in_the_domain_and_its_end_collected(guest: Any, tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    guest.set(console=str(log), connected_after=1000)
    found = collect(Libvirt(domain="gw1"), Hypervisor("qemu:///system"))
    assert (len(found.console), found.console[-1]) == (30, "line 99")
    assert found.cloud_init == ["(the guest agent is not connected: cloud-init cannot be asked)"]


@pytest.mark.usefixtures("guest")
def test_console_log_of_a_remote_hypervisor_is_read_over_its_ssh(tmp_path: Path) -> None:
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    ssh.chmod(0o755)
    tail = Hypervisor("qemu+ssh://root@oslo:2222/system").console_tail("/var/log/a b.log")
    assert tail[-4:] == ["2222", "--", "root@oslo", "tail -c 65536 '/var/log/a b.log'"]


def test_unreadable_console_log_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    assert Hypervisor("qemu:///system").console_tail(path) == [
        f"(the console log {path} cannot be read: No such file or directory)"
    ]


def test_cloud_init_errors_come_from_its_status_each_once(guest: Any, agent: GuestAgent) -> None:
    warned = {"recoverable_errors": {"WARNING": ["bad schema"], "DEPRECATED": ["old"]}}
    status = {"v1": {"stage": None, "init": warned | {"errors": ["no disk"]}, "modules-config": warned}}
    guest.set(files={"/run/cloud-init/status.json": json.dumps(status)})
    assert cloud_init_errors(agent) == ["init: no disk", "init: WARNING: bad schema"]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("x - a.py[DEBUG]: fine\nx - b.py[WARNING]: Failed to mount\n", ["x - b.py[WARNING]: Failed to mount"]),
        ("x - a.py[DEBUG]: fine\n", ["(none; cloud-init is still in its stage init)"]),
    ],
)
def test_cloud_init_errors_come_from_its_log_where_its_status_has_none(
    guest: Any, agent: GuestAgent, log: str, expected: list[str]
) -> None:
    status = json.dumps({"v1": {"stage": "init", "init": {"errors": []}}})
    guest.set(files={"/run/cloud-init/status.json": status, "/var/log/cloud-init.log": log})
    assert cloud_init_errors(agent) == expected
