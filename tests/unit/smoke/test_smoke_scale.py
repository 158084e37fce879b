"""A budget that was stretched for a test stack is never shown without saying so."""

from __future__ import annotations

import pytest

from smoke.plan import Budget, Plan
from smoke.report import Result, show
from smoke.verdict import Line, Verdict


def result(scale: float) -> Result:
    plan = Plan(stack="oslo-test", gateway="gw1", url="https://h", budget=Budget(p50=250, p99=2000, scale=scale))
    return Result(plan, lines=[Line("p50", "7.6 ms", "250 ms", Verdict.PASS)])


def test_the_json_of_every_report_has_the_scale() -> None:
    assert result(50).as_json()["budgetScale"] == 50
    assert result(1).as_json(whole=True)["budgetScale"] == 1


def test_the_table_of_a_test_stack_says_how_far_its_budgets_are_stretched(capsys: pytest.CaptureFixture[str]) -> None:
    show(result(50))
    assert "Budgets are 50 times the region's: this is no production stack." in capsys.readouterr().err


def test_the_table_of_a_production_stack_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    show(result(1))
    assert "times the region's" not in capsys.readouterr().err
