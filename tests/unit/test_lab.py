"""The parts of the lab that need no namespace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.console import Problem, duration
from tools.lab import control
from tools.lab.layout import Lab
from tools.lab.processes import named, noted, recorded


@pytest.mark.parametrize("name", ["", "Oslo", "../oslo", "oslo test", "9", "-x"])
def test_a_lab_cannot_have_a_name_that_leaves_its_folder(name: str) -> None:
    with pytest.raises(Problem, match="no name for a lab"):
        Lab(name)


def test_two_labs_share_no_path() -> None:
    oslo, london = Lab("oslo"), Lab("london")
    assert not set(oslo.folders) & set(london.folders)
    assert oslo.uri != london.uri
    assert not set(oslo.configuration().values()) & set(london.configuration().values()) - {
        text
        for path, text in oslo.configuration().items()
        if path.name in ("passwd", "group", "qemu.conf", "network.conf", "chrony.conf")
    }


def test_the_labs_clock_server_never_sets_the_machines_clock() -> None:
    text = next(text for path, text in Lab("oslo").configuration().items() if path.name == "chrony.conf")
    assert "makestep" not in text
    assert "local stratum" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.21, "3.2 s"), (12, "12 s"), (75.4, "1 min 15 s"), (3600, "60 min 00 s")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


CUT = {
    "empty": b"",
    "zeroes": bytes(20),
    "half": b"123",
    "no UTF-8": b"\xff\xfe 1",
    "no digits": "\u00b2 1".encode(),
    "huge": b"9" * 30,
}


@pytest.mark.parametrize("damage", CUT)
def test_a_record_of_a_process_that_was_cut_off_is_no_process(tmp_path: Path, damage: str) -> None:
    (tmp_path / "pid").write_bytes(CUT[damage])
    assert recorded(tmp_path / "pid") is None


def test_a_folder_in_the_place_of_a_record_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=f"Is a directory. `sudo rm -r {tmp_path}`"):
        noted(tmp_path)


def test_a_lab_whose_record_was_cut_off_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "tools/lab").mkdir(parents=True)
    (tmp_path / "tools/lab/host.py").write_text("import time; time.sleep(60)")
    words = ["unshare", "--pid", "--fork", "--kill-child=KILL", sys.executable, "-m", "tools.lab.host", "found", "x"]
    running = subprocess.Popen(words, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 10
        while not (pid := named("tools.lab.host", "found")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert pid not in (None, running.pid)
        assert named("tools.lab.host", "another") is None
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("text", [b"", b'["/var/lib', bytes(9), b"null", b'{"a": 1}', b"[1]", b"\xff"])
def test_a_list_of_mount_points_that_was_cut_off_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    monkeypatch.setattr(control, "_MOUNT_POINTS", tmp_path / "mount-points.json")
    (tmp_path / "mount-points.json").write_bytes(text)
    assert control._mount_points() == []
    (tmp_path / "mount-points.json").write_text(json.dumps(["/run/a"]))
    assert control._mount_points() == ["/run/a"]
