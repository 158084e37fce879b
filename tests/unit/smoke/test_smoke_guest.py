"""What is waited for in the guest, and what is not."""

from __future__ import annotations

import json
import time
from typing import Any, cast

import pytest

from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from smoke import guest_proofs
from smoke.clock import Witnesses, judge
from smoke.plan import GuestPromises
from smoke.reading import Reading

_SYNCHRONISED = "0A510001,10.81.0.1,8,1.0,0.000012,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal"
_TOO_LATE_TO_STEP = "0A510001,10.81.0.1,8,1.0,-3600.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal"
_NOT_YET = "00000000,,0,0.0,0.000000,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Not synchronised"


class _Answer:
    def __init__(self, text: str) -> None:
        self.stdout = text.encode()


class _Guest:
    """Its clock is off until chrony has been asked `steps_after` times."""

    def __init__(self, off: float, steps_after: int, then: str = _SYNCHRONISED, age: int = 10) -> None:
        self.off, self.steps_after, self.then, self.age, self.asked = off, steps_after, then, age, 0
        self.cloud_init: dict[str, Any] = {"stage": None, "modules-final": {"finished": 1.0}}
        self.read = 0
        self.servers, self.hypervisor = 3600.0, Hypervisor("qemu:///system")

    def read_file(self, _path: str) -> bytes:
        self.read += 1
        return json.dumps({"v1": self.cloud_init}).encode()

    def exec(self, words: list[str], timeout: float = 0) -> Any:
        if "chronyd -Q" in "".join(words):
            assert timeout
            return _Answer(f"System clock wrong by -{self.servers} seconds (ignored)")
        self.asked += 1
        return _Answer(f"{self.then if self.asked > self.steps_after else _NOT_YET}\n{self.age}\n")

    def command(self, _name: str) -> float:
        return (time.time() + (0 if self.asked > self.steps_after else self.off)) * 1e9


def _verdicts(there: _Guest, within: float) -> list[str]:
    promises = GuestPromises(checks=(), files={}, synchronised=True)
    reading = Reading({"cloud-init": there.read_file("").decode(), "chrony": there.exec([]).stdout.decode()})
    return [
        line.verdict.value
        for line in guest_proofs.cloud_init_and_clock(cast(GuestAgent, there), promises, reading, within)
    ]


def test_a_clock_that_is_off_after_a_start_is_given_time_until_chrony_steps_it() -> None:
    assert _verdicts(_Guest(off=-1.2, steps_after=2), within=10) == ["pass", "pass", "pass"]


def test_a_clock_that_is_never_set_fails_after_a_bound() -> None:
    assert _verdicts(_Guest(off=-1.2, steps_after=1000), within=0.1) == ["pass", "fail", "fail"]


def test_a_clock_that_is_off_although_chrony_trusts_it_fails_at_once() -> None:
    there = _Guest(off=0, steps_after=0)
    there.command = lambda _name: (time.time() + 3600) * 1e9  # type: ignore[method-assign]
    assert _verdicts(there, within=10) == ["pass", "pass", "fail"]
    assert there.asked == 1


def test_a_clock_that_chrony_knows_to_be_off_fails_at_once() -> None:
    there = _Guest(off=0, steps_after=0, then=_TOO_LATE_TO_STEP)
    there.command = lambda _name: (time.time() + 3600) * 1e9  # type: ignore[method-assign]
    assert _verdicts(there, within=10) == ["pass", "fail", "fail"]
    assert there.asked == 1


def test_an_error_of_cloud_init_fails_at_once() -> None:
    there = _Guest(off=0, steps_after=0)
    there.cloud_init = {"stage": "modules-final", "init": {"errors": ["bad seed"]}}
    assert _verdicts(there, within=10) == ["fail", "pass", "pass"]
    assert there.read == 1


def test_cloud_init_that_has_not_ended_is_waited_for() -> None:
    there = _Guest(off=0, steps_after=0)
    there.cloud_init = {"stage": "modules-final"}
    assert _verdicts(there, within=0.1) == ["fail", "pass", "pass"]
    assert there.read == 2


@pytest.mark.parametrize(
    ("witnesses", "verdict", "said"),
    [
        (Witnesses(0.4, None, None), "pass", "0.4 s off"),
        (Witnesses(3600, None, 3600), "fail", "3600.0 s ahead: the guest's is off, by what its time servers say"),
        (Witnesses(-90, -90, 90), "fail", "90.0 s behind: the guest's is off, by what its time servers say"),
        (Witnesses(-90, -90, None), "fail", "the guest's is off, and its time servers are silent"),
        (Witnesses(-90, None, None), "fail", "the guest's is off, and its time servers are silent"),
        (Witnesses(-90, 0.1, None), "fail", "this machine's or that host's is off"),
        (Witnesses(-90, None, 0.01), "inconclusive", "this machine's is off, by what the guest's time servers say"),
        (
            Witnesses(90, 0.2, 0.01),
            "inconclusive",
            "90.0 s ahead: this machine's is off, by what the guest's time servers and its host say",
        ),
        (Witnesses(90, 89.9, 0.01), "fail", "they with neither this machine nor the host"),
        (Witnesses(90, 5000, 0.01), "inconclusive", "this machine's is off, by what the guest's time servers say"),
    ],
)
def test_the_clock_that_is_off_is_named(witnesses: Witnesses, verdict: str, said: str) -> None:
    line = judge(witnesses)
    assert line.verdict.value == verdict
    assert said in line.found


def test_a_guest_that_its_time_servers_agree_with_shows_that_this_machine_is_off() -> None:
    there = _Guest(off=0, steps_after=0)
    there.command = lambda _name: (time.time() + 3600) * 1e9  # type: ignore[method-assign]
    there.servers = 0.002
    assert _verdicts(there, within=10) == ["pass", "pass", "inconclusive"]


@pytest.mark.parametrize(("off", "asked"), [(3600, 1), (0, 2)], ids=["clock off", "clock right"])
def test_a_chrony_that_lost_its_servers_is_waited_for_only_while_the_clock_is_right(off: float, asked: int) -> None:
    there = _Guest(off=off, steps_after=1000, age=500)
    assert _verdicts(there, within=0.1)[1] == "fail"
    assert there.asked == asked
