"""The parts of the lab that need no namespace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lab import control, port_forwards, services
from lab.layout import Lab
from lab.processes import named, noted, recorded
from nordgate.console import duration
from nordgate.errors import NordgateError


@pytest.mark.parametrize("name", ["", "Oslo", "../oslo", "oslo test", "9", "-x"])
def test_a_lab_cannot_have_a_name_that_leaves_its_folder(name: str) -> None:
    with pytest.raises(NordgateError, match="no name for a lab"):
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
    with pytest.raises(NordgateError, match=f"Is a directory. `sudo rm -r {tmp_path}`"):
        noted(tmp_path)


def test_a_lab_whose_record_was_cut_off_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir(parents=True)
    (tmp_path / "lab/host.py").write_text("import time; time.sleep(60)")
    words = ["unshare", "--pid", "--fork", "--kill-child=KILL", sys.executable, "-m", "lab.host", "found", "x"]
    running = subprocess.Popen(words, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 10
        while not (pid := named("lab.host", "found")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert pid not in (None, running.pid)
        assert named("lab.host", "another") is None
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


KEEPER = """
import sys
from pathlib import Path
from lab import host

host._LONGEST_PAUSE, host._AT_ONCE = float(sys.argv[1]), float(sys.argv[2])
folder = Path(sys.argv[3])
host.keep_running({
    "steady": ["sh", "-c", f"echo $$ >>{folder}/steady; exec sleep 600"],
    "failing": ["sh", "-c", f"echo x >>{folder}/failing; exit 1"],
    "gone": [str(folder / "nothing")],
})
"""


def test_a_service_that_ends_or_cannot_be_started_ends_neither_the_others_nor_the_lab(tmp_path: Path) -> None:
    """The checkout that a lab was started from can be deleted; its guests run on."""
    words = [sys.executable, "-c", KEEPER, "2", "10", str(tmp_path)]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    started, failing = tmp_path / "steady", tmp_path / "failing"
    try:
        deadline = time.monotonic() + 20
        while len(told := started.read_text().split() if started.exists() else []) < 2:
            assert time.monotonic() < deadline, "it is started again when it has been killed"
            if len(told) == 1:
                with suppress(ProcessLookupError):
                    subprocess.run(["kill", "-KILL", told[0]], check=False, timeout=10)
            time.sleep(0.1)
        while len(failing.read_text().split()) < 3:
            assert time.monotonic() < deadline, "it is tried again"
            time.sleep(0.1)
        assert first.poll() is None
    finally:
        first.kill()
        for pid in started.read_text().split():
            subprocess.run(["kill", "-KILL", pid], check=False, capture_output=True, timeout=10)
        said = first.communicate(timeout=10)[0]
    assert "gone cannot be started: " in said
    assert "failing ended with status 256; starting it again in 1 s" in said
    assert "failing ended with status 256; starting it again in 2 s" in said


class Running:
    """A lab that runs, whose services are silent until as many as `heals` were started again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, silent: Sequence[str], heals: bool, emulators: int) -> None:
        self.silent = list(silent)
        self.said: list[str] = []
        self.now = 0.0

        def start(command: Sequence[str], *_: Any) -> int:
            self.said.append(command[command.index("--") + 1 :][-1])
            if heals:
                self.silent.clear()
            return 1

        def kill(_: Lab, name: str) -> None:
            self.said.append(f"kill {name}")
            if heals:
                self.silent.clear()

        def launch(*_: object) -> None:
            self.said.append("launch")
            self.silent.clear()

        def sleep(seconds: float) -> None:
            self.now += seconds

        fakes: dict[str, Any] = {
            "_check_machine": lambda: None,
            "first_process": lambda _: 7, "silent_services": lambda _: list(self.silent),
            "start_child": start, "_kill_children": kill, "_children": lambda *_: [8] * emulators,
            "end": lambda _: self.said.append("kill"), "_lay_out": lambda _: None, "_launch": launch,
            "add_upstream_addresses": lambda *_: None, "enter": lambda _: ["nsenter", "--"],
        }  # fmt: skip
        for module in (control, services):
            for name in fakes.keys() & vars(module).keys():
                monkeypatch.setattr(module, name, fakes[name])
        for name in ("keep", "check"):
            monkeypatch.setattr(port_forwards, name, lambda *_: None)
        monkeypatch.setattr("time.sleep", sleep)
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def up(self) -> list[str]:
        control.up(Lab("oslo"), [], [], "chronyd")
        return self.said


@pytest.mark.parametrize(
    ("silent", "started"),
    [
        ([], []),
        (["backend 1", "backend 2"], ["9001"]),
        (["dns"], ["lab.dns"]),
        (["libvirtd"], ["kill libvirtd"]),
    ],
)
def test_services_of_a_running_lab_are_started_again_beside_its_guests(
    monkeypatch: pytest.MonkeyPatch, silent: list[str], started: list[str]
) -> None:
    said = Running(monkeypatch, silent, heals=True, emulators=1).up()
    assert "kill" not in said
    assert said[:1] == started


def test_a_lab_is_never_ended_under_a_guest_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Running(monkeypatch, ["backend 1"], heals=False, emulators=1)
    with pytest.raises(NordgateError, match=r"waited .* for backend 1 of lab oslo to answer(.|\n)*its guests run"):
        lab.up()
    assert lab.said == ["9001"]


def test_a_lab_without_guests_is_started_anew_when_nothing_else_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Running(monkeypatch, ["backend 1"], heals=False, emulators=0).up() == ["9001", "kill", "launch"]
