"""The parts of the lab that need no namespace."""

from __future__ import annotations

import pytest

from tools.console import Problem, duration
from tools.lab.layout import Lab


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
