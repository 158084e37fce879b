"""What `make up` finds after a run that was killed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from operations import state
from tools.console import Problem

STACK = "oslo-test"


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".nordgate/state/.pulumi/locks/organization/nordgate" / STACK
    folder.mkdir(parents=True)
    return folder


def lock(folder: Path, pid: int, host: str = "") -> Path:
    path = folder / "one.json"
    path.write_text(json.dumps({"pid": pid, "hostname": host or socket.gethostname(), "username": "root"}))
    return path


def test_the_lock_of_a_dead_process_is_cleared(locks: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = lock(locks, ended.pid)
    state.clear_dead_locks(STACK)
    assert not path.exists()


def test_the_lock_of_a_number_that_another_program_has_now_is_cleared(locks: Path) -> None:
    path = lock(locks, os.getpid())
    state.clear_dead_locks(STACK)
    assert not path.exists()


def test_the_lock_of_a_running_pulumi_is_respected(locks: Path, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    running = subprocess.Popen([str(program)])
    while not Path(f"/proc/{running.pid}/cmdline").read_bytes():
        pass  # exec is under way
    try:
        path = lock(locks, running.pid)
        with pytest.raises(Problem, match=f"process {running.pid}"):
            state.clear_dead_locks(STACK)
        assert path.exists()
    finally:
        running.kill()


def test_the_lock_of_another_machine_is_respected(locks: Path) -> None:
    path = lock(locks, 1, host="elsewhere")
    with pytest.raises(Problem, match="pulumi cancel"):
        state.clear_dead_locks(STACK)
    assert path.exists()


def test_volumes_that_commands_made_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    guest = "urn:pulumi:x::nordgate::nordgate:region:Region$nordgate:gateway:Gateway"
    command = {"type": "command:local:Command", "id": "0f3a"}
    copied = command | {"urn": f"{guest}$nordgate:guest:Guest$command:local:Command::gw1-root"}
    data = command | {"urn": f"{guest}$nordgate:guest:Guest$command:local:Command::gw1-data"}
    resources = [
        copied | {"inputs": {"triggers": ["/pool/root.raw", "/pool/image"]}},
        data | {"inputs": {}, "outputs": {"stdout": "/pool/data.raw"}},
    ]
    checkpoint = tmp_path / f".nordgate/state/.pulumi/stacks/nordgate/{STACK}.json"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text(json.dumps({"checkpoint": {"latest": {"resources": resources}}}))
    recorded = state._recorded(STACK)
    assert {"/pool/root.raw", "/pool/data.raw"} <= recorded.identifiers


def test_a_plugin_whose_pulumi_was_killed_is_ended_and_no_other(tmp_path: Path) -> None:
    program = tmp_path / ".nordgate" / "pulumi-resource-x"
    program.parent.mkdir()
    shutil.copy2("/bin/sleep", program)
    stray = subprocess.run(
        ["sh", "-c", f"{program} 60 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True, check=True
    )
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        state.end_stray_plugins(tmp_path)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{stray.stdout.strip()}/exe").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not Path(f"/proc/{stray.stdout.strip()}/exe").exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
