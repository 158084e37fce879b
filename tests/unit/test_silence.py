"""What goes silent in the middle is given up, with a sentence that says what was waited for."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import control, services
from lab.layout import Lab
from nordgate.cli import local_state, summary
from nordgate.errors import HypervisorError, NordgateError
from nordgate.hypervisor import connection
from nordgate.hypervisor.host_commands import HostCommands
from nordgate.hypervisor.virsh import Hypervisor
from tests.sshd import Server, ssh_server
from toolchain import debian_host as baking
from toolchain import locks, work

SOON = tuple(
    re.sub("^(ServerAliveInterval|ServerAliveCountMax|ConnectTimeout)=.*", r"\1=1", option)
    for option in connection._ALWAYS
)


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(connection, "_ALWAYS", SOON)
    with ssh_server(tmp_path) as server:
        yield server


def uri(server: Server) -> str:
    return f"qemu+ssh://root@127.0.0.1:{server.port}/system?{server.query()}"


def frozen_once_there_is(file: Path, server: Server) -> threading.Thread:
    """Freezes the server as soon as what was started over it has made the file."""

    def freeze() -> None:
        end = time.monotonic() + 20
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.05)
        server.freeze()

    thread = threading.Thread(target=freeze)
    thread.start()
    return thread


def test_a_host_that_goes_silent_under_a_command(sshd: Server, tmp_path: Path) -> None:
    """The bound of a long command, such as a copy, is an hour; that of silence is not."""
    begun = tmp_path / "begun"
    freezing, started = frozen_once_there_is(begun, sshd), time.monotonic()
    with pytest.raises(HypervisorError, match=r"127.0.0.1 has gone silent: its SSH server answered nothing for"):
        HostCommands(uri(sshd)).run(["sh", "-c", f"echo $$ >{begun}; exec sleep 3600"], timeout=3600)
    freezing.join(30)
    os.kill(int(begun.read_text()), signal.SIGKILL)  # its session's end would not end it
    assert time.monotonic() - started < 30


def test_a_host_that_goes_silent_under_virsh(sshd: Server, tmp_path: Path) -> None:
    """As while an image is sent: libvirt is there, and its socket never says a word."""
    silent = tmp_path / "libvirt-sock"
    with socket.socket(socket.AF_UNIX) as libvirt:
        libvirt.bind(str(silent))
        libvirt.listen()
        netcat = f'#!/bin/sh\ntouch {tmp_path}/begun\nfor socket; do :; done\nexec socat - "UNIX-CONNECT:$socket"\n'
        (tmp_path / "netcat").write_text(netcat)
        (tmp_path / "netcat").chmod(0o755)
        freezing, started = frozen_once_there_is(tmp_path / "begun", sshd), time.monotonic()
        with pytest.raises(HypervisorError, match=r"127.0.0.1 has gone silent: its SSH server answered nothing for"):
            Hypervisor(f"{uri(sshd)}&socket={silent}&netcat={tmp_path}/netcat").virsh("list", timeout=3600)
        freezing.join(30)
    assert time.monotonic() - started < 30


def test_a_host_that_is_silent_from_the_beginning(sshd: Server) -> None:
    sshd.freeze()
    asks: list[Callable[[], str]] = [
        lambda: Hypervisor(uri(sshd)).virsh("list"),
        lambda: HostCommands(uri(sshd)).run(["true"]),
    ]
    for ask in asks:
        started = time.monotonic()
        with pytest.raises(HypervisorError, match=r"127.0.0.1 cannot be reached by SSH: .*[Tt]imed out"):
            ask()
        assert time.monotonic() - started < 15


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes programs that never end."""

    def make(*names: str) -> None:
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\nexec sleep 600\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_a_backend_that_does_not_answer(hanging: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging("pulumi")
    for module in (local_state, summary):
        monkeypatch.setattr(module, "_SECONDS", 0.3)
    with pytest.raises(
        NordgateError, match=r"pulumi stack output .* did not end within 0.3 s: does the backend answer"
    ):
        summary.outputs("oslo")
    with pytest.raises(NordgateError, match=r"pulumi stack init did not end within 0.3 s: its state lies in"):
        local_state._pulumi("stack", "init", "oslo-test")


def test_a_labs_libvirt_that_does_not_answer(hanging: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging("virsh")
    for module in (control, services):
        monkeypatch.setattr(module, "COMMAND_TIMEOUT", 0.3)
    monkeypatch.setattr(services, "enter", lambda _: [])
    assert services.silent_services(Lab("none"))[0] == "libvirtd"
    with pytest.raises(NordgateError, match="libvirt of lab none does not answer within 0 s; its log is"):
        control.guests(Lab("none"))


def test_a_mirror_that_says_nothing_under_a_bake(hanging: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging("mmdebstrap")
    monkeypatch.setattr(baking, "_BOUND", 0.3)
    with pytest.raises(
        NordgateError, match=r"mmdebstrap did not end within 0.3 s: is the package mirror there, but silent"
    ):
        baking.run(["mmdebstrap", "trixie"])


def test_a_registry_that_says_nothing_under_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_BOUND", 0.3)
    with pytest.raises(
        NordgateError, match=r"Building Pulumi did not end within 0.3 s: is the network there, but silent"
    ):
        work.run("Building Pulumi", ["sleep", "600"])


def test_a_tool_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_TO_END", 0.3)
    stubborn = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
    with work.Job("Building", stubborn) as job:
        time.sleep(1)
    assert job._process.poll() is not None


def test_another_run_that_keeps_a_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / ".lock").open("w") as theirs, (tmp_path / ".lock").open("w") as ours:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(
            NordgateError, match=r"waited 0.3 s for another bake, which holds .*/\.lock: see what it does"
        ):
            locks.hold(ours, "another bake", 0.3)
        theirs.close()
        locks.hold(ours, "another bake", 0.3)
    assert "Wait for another bake" in capsys.readouterr().err
