"""What `make up` finds after a run that was killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
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
