"""A budget that was stretched for a test stack is never shown without saying so."""

from __future__ import annotations

import pytest

from nordgate.cli import summary
from smoke import html_page
from smoke.load import Budget
from smoke.markdown import markdown
from smoke.plan import Plan
from smoke.report import show
from smoke.result import Result
from smoke.verdict import Line, Verdict


def result(scale: float) -> Result:
    plan = Plan(stack="oslo-test", gateway="gw1", url="https://h", budget=Budget(p50=250, p99=2000), budget_scale=scale)
    return Result(plan, lines=[Line("p50", "7.6 ms", "250 ms", Verdict.PASS)])


def test_the_json_of_every_report_has_the_scale() -> None:
    assert result(50).summary()["budgetScale"] == 50
    assert result(50).report().as_json()["budgetScale"] == 50


def test_so_does_its_markdown() -> None:
    assert "50 times the region's" in markdown(result(50).report(), [])
    assert "times the region's" not in markdown(result(1).report(), [])


def test_so_does_its_page() -> None:
    assert "Budgets are 50 times the region's" in html_page.html(result(50).report(), [], [])
    assert "times the region's" not in html_page.html(result(1).report(), [], [])


@pytest.mark.parametrize(("scale", "said"), [(50, True), (1, False)])
def test_so_do_the_last_lines_of_make_up(scale: int, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    smoke = {"gw1": {"verdict": "pass", "p50": 7.6, "p99": 20.0, "budgetScale": scale}}
    monkeypatch.setattr(summary, "outputs", lambda _: {"urls": {"gw1": "https://h"}, "smoke": smoke})
    assert ("(budgets: 50 times the region's)" in summary.summary("oslo-test")) is said


def test_the_table_of_a_test_stack_says_how_far_its_budgets_are_stretched(capsys: pytest.CaptureFixture[str]) -> None:
    show(result(50))
    assert "Budgets are 50 times the region's: this is no production stack." in capsys.readouterr().err


def test_the_table_of_a_production_stack_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    show(result(1))
    assert "times the region's" not in capsys.readouterr().err
