"""A failed check names the likeliest cause, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from smoke.check_facts import Facts
from smoke.diagnosis import causes
from smoke.faults import FAULTS
from smoke.verdict import Line, Verdict

CASES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("diagnosis.yaml").read_text())
GOOD = {"since": "2026/11/25 09:00:00", "processes": "5 (nginx) S 1 5\n6 (nginx) S 5 5", "test": "ok"}


def facts_of(case: dict[str, Any]) -> Facts:
    lines = [name.partition(" -> ")[::2] for name in case.get("failing", [])]
    failing = tuple(Line(what, found, "", Verdict.FAIL) for what, found in lines)
    guest = {name: text for name, text in case.items() if name not in ("failing", "problem", "cause")}
    return Facts(failing, case.get("problem", ""), GOOD | guest)


@pytest.mark.parametrize("name", CASES)
def test_the_likeliest_cause_comes_first_with_its_evidence_and_a_remedy(name: str) -> None:
    first = causes(facts_of(CASES[name]))[0]
    assert first.sentence.startswith(CASES[name]["cause"])
    assert first.evidence
    assert first.remedy
    assert not re.search("[{}]", first.remedy)


def test_every_case_has_one_cause_that_leads() -> None:
    told = [causes(facts_of(case))[0].sentence for case in CASES.values()]
    assert len({sentence.partition(":")[0] for sentence in told}) > 20


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert causes(Facts()) == []
    assert causes(Facts((), "", GOOD)) == []
    assert causes(Facts((Line("p99", "90 ms", "≤ 40 ms", Verdict.FAIL),), "", GOOD)) == []


def test_a_guest_that_cannot_be_asked_is_not_taken_for_one_without_nginx() -> None:
    assert [
        cause.sentence for cause in causes(Facts((), "it refuses the connection.", {}, "the agent is silent"))
    ] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.cause)
def test_every_fault_says_what_to_do_in_a_plain_sentence(fault: Any) -> None:
    assert fault.cause.format(count=1, last="x")
    remedy = fault.remedy.format(stack="oslo", gateway="gw1")
    assert len(remedy) > 20
    assert remedy.count("make ssh") == remedy.count("make ssh STACK=oslo GATEWAY=gw1")
