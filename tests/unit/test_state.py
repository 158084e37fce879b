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

from nordgate.cli import checkpoint as checkpoints
from nordgate.cli import local_state
from nordgate.cli.summary import report
from nordgate.errors import NordgateError
from nordgate.settings.loader import load_file

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
    local_state.clear_dead_locks(STACK)
    assert not path.exists()


def test_the_lock_of_a_number_that_another_program_has_now_is_cleared(locks: Path) -> None:
    path = lock(locks, os.getpid())
    local_state.clear_dead_locks(STACK)
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
        with pytest.raises(NordgateError, match=f"process {running.pid}"):
            local_state.clear_dead_locks(STACK)
        assert path.exists()
    finally:
        running.kill()


def test_the_lock_of_another_machine_is_respected(locks: Path) -> None:
    path = lock(locks, 1, host="elsewhere")
    with pytest.raises(NordgateError, match="pulumi cancel"):
        local_state.clear_dead_locks(STACK)
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
    recorded = local_state._recorded(STACK)
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
        local_state.end_stray_plugins(tmp_path)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{stray.stdout.strip()}/exe").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not Path(f"/proc/{stray.stdout.strip()}/exe").exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()


WHOLE = (Path(__file__).parents[1] / "recorded/overlay/state.json").read_bytes()
DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "zeroes": bytes(5000),
    "no UTF-8": b"\xff\xfe{}",
    "a list": b"[]",
    "null": b"null",
    "another document": b'{"version": 3}',
    "another form": b'{"checkpoint": {"latest": {"resources": [1]}}}',
    "no map": b'{"checkpoint": 1}',
}


def checkpoint(stack: str = STACK) -> bytes:
    """A whole state as the engine keeps it."""
    return json.dumps(
        {"version": 3, "checkpoint": {"stack": stack, "latest": json.loads(WHOLE)["deployment"]}}
    ).encode()


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a stack's state, with a copy of it that is whole."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f".nordgate/state/.pulumi/stacks/nordgate/{STACK}.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(checkpoint())
    copy = tmp_path / f".nordgate/state/.pulumi/backups/nordgate/{STACK}/{STACK}.1795609893282924601.json"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(checkpoint())
    return file


def told(stack: str = STACK) -> str:
    with pytest.raises(NordgateError) as caught:
        checkpoints.latest(stack)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_told(sentence: str) -> None:
    """Type what the sentence says."""
    subprocess.run(["sh", "-ec", sentence.split("`")[1]], check=True)


@pytest.mark.parametrize("share", [*range(0, 100, 7), 99.99])
def test_a_state_that_was_cut_off_anywhere_is_told_with_the_copy_to_put_back(stored: Path, share: float) -> None:
    stored.write_bytes(checkpoint()[: int(len(checkpoint()) * share / 100)])
    sentence = told()
    assert f"the state of {STACK}, .nordgate/state/.pulumi/stacks/nordgate/{STACK}.json, is cut off" in sentence
    assert "with 20 resources" in sentence
    as_told(sentence)
    assert len(checkpoints.latest(STACK)["resources"]) == 20


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_state_that_is_none_is_told_with_the_copy_to_put_back(stored: Path, damage: str) -> None:
    stored.write_bytes(DAMAGED[damage])
    as_told(told())
    assert checkpoints.latest(STACK)["resources"]


def test_a_folder_in_the_place_of_the_state_is_told_with_the_copy_to_put_back(stored: Path) -> None:
    stored.unlink()
    stored.mkdir()
    as_told(told())
    assert checkpoints.latest(STACK)["resources"]


def test_a_copy_that_is_damaged_too_is_passed_over_for_an_older_one(stored: Path) -> None:
    stored.with_name(f"{stored.name}.bak").write_bytes(checkpoint()[:-9])
    stored.write_bytes(b"")
    as_told(told())
    assert checkpoints.latest(STACK)["resources"]


def test_a_state_without_a_whole_copy_is_told_with_how_to_begin_anew(stored: Path) -> None:
    stored.write_bytes(b"{")
    shutil.rmtree(stored.parents[2] / "backups")
    assert f"`make lab-down STACK={STACK} FORCE=1 && rm -r .nordgate/state/.pulumi/stacks" in told()


def test_a_state_that_may_not_be_read_is_told_so(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert "cannot be read (Permission denied): `sudo chown" in told()
    assert stored.exists()


def test_an_empty_stack_has_a_whole_state(stored: Path) -> None:
    stored.write_text('{"version": 3, "checkpoint": {"stack": "x"}}')
    assert checkpoints.latest(STACK) == {}


def test_what_lies_beside_the_state_and_is_not_whole_is_deleted(stored: Path) -> None:
    whole, cut = stored.with_name("other.json.attrs"), stored.with_name(f"{stored.name}.attrs")
    whole.write_text('{"md5": "x"}')
    cut.write_text('{"md5": "')
    version = stored.parents[2] / "meta.yaml"
    version.write_bytes(b"")
    checkpoints.clear_side_files()
    assert whole.exists()
    assert not cut.exists()
    assert not version.exists()
    version.write_text("version: 1\n")
    checkpoints.clear_side_files()
    assert version.exists()
    assert stored.exists()


@pytest.mark.parametrize("damage", [*DAMAGED, "cut off"])
def test_a_lock_that_was_cut_off_is_cleared_when_nothing_works_here(locks: Path, damage: str) -> None:
    path = locks / "one.json"
    path.write_bytes(DAMAGED.get(damage, b'{"pid": 1'))
    local_state.clear_dead_locks(STACK)
    assert not path.exists()


def test_a_lock_that_was_cut_off_is_respected_while_a_pulumi_works_here(locks: Path, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    shutil.copy2("/bin/sleep", program)
    running = subprocess.Popen([str(program), "60"])
    try:
        deadline = time.monotonic() + 10
        while Path(f"/proc/{running.pid}/comm").read_text() != "pulumi\n" and time.monotonic() < deadline:
            time.sleep(0.01)
        (locks / "one.json").write_bytes(b"{")
        with pytest.raises(NordgateError, match=f"process {running.pid}"):
            local_state.clear_dead_locks(STACK)
    finally:
        running.kill()


def test_a_folder_in_the_place_of_a_lock_is_told_with_what_to_do(locks: Path) -> None:
    (locks / "one.json").mkdir()
    with pytest.raises(NordgateError, match=r"Is a directory\. Mend that, or `rm -r .*one\.json`"):
        local_state.clear_dead_locks(STACK)


@pytest.mark.parametrize("pid", ["x\0y", "../self", -1, 1.5, None, [1]])
def test_a_lock_that_names_no_process_is_cleared(locks: Path, pid: object) -> None:
    path = locks / "one.json"
    path.write_text(json.dumps({"pid": pid, "hostname": socket.gethostname()}))
    local_state.clear_dead_locks(STACK)
    assert not path.exists()


def test_a_file_in_the_place_of_the_states_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".nordgate").mkdir()
    (tmp_path / ".nordgate/state").write_text("")
    with pytest.raises(NordgateError, match=r"\.nordgate/state must be a folder"):
        local_state.prepare(STACK, load_file(Path(__file__).parents[2], STACK))


@pytest.mark.parametrize("damage", [*DAMAGED, "cut off"])
def test_a_smoke_report_that_was_cut_off_is_nobodys(tmp_path: Path, damage: str) -> None:
    (tmp_path / "a.json").write_bytes(DAMAGED.get(damage, b'{"stack": "oslo'))
    (tmp_path / "b.json").write_text('{"stack": "oslo-test"}')
    (tmp_path / "b.md").write_text("### It passed")
    assert report(STACK, tmp_path) == "### It passed"
