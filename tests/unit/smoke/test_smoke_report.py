"""A report is what its schema says, in every form that people read, and remembers the runs before it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from nordgate import __version__
from smoke import html_page, past_runs, report
from smoke.diagnosis import Cause
from smoke.engine.job import Tally
from smoke.load import LOCAL, Budget
from smoke.markdown import markdown
from smoke.measure import Series
from smoke.report_document import schema
from smoke.result import Result
from smoke.rounds import Rounds
from smoke.verdict import Line, Verdict, judge

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "smoke-report.schema.json"


def result_of(plan: Any, milliseconds: float = 4, errors: dict[str, int] | None = None) -> Result:
    """A whole check with two rounds of gateway and baseline."""
    tally = Tally(0, {int(milliseconds * 1000): 990, 100_000: 10}, {3: 1000}, errors or {}, 0, 5.0, 0.1)
    rounds = Rounds([tally, tally], [Tally(1, {1000: 1000}, {3: 1000}, {}, 0, 5.0, 0.1)] * 2, stolen=0.0)
    budget = Budget(p50=20, p99=500)
    series = Series(LOCAL, "/a|b<i>", "h2", budget, rounds, judge(rounds, budget))
    proofs = [Line("/health", "200", "200", Verdict.PASS)]
    return Result(plan, proofs, [series], tls_version="TLSv1.3", versions={"nginx": "1.26.3"})


@pytest.fixture
def result(make_plan: Any) -> Result:
    return result_of(make_plan())


def test_published_schema_is_that_of_the_types() -> None:
    assert SCHEMA.read_text() == schema(), "write it anew: python -m smoke --schema > docs/smoke-report.schema.json"


def test_written_report_keeps_to_the_published_schema(result: Result, tmp_path: Path) -> None:
    report.write(result, tmp_path)
    written = json.loads((tmp_path / "test-gw1.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(written)
    assert written["series"][0]["latency"] == {
        "p50": 4.001, "p90": 4.001, "p99": 4.001, "p999": 100.031, "max": 100.0, "count": 2000, "throughput": 200.0,
    }  # fmt: skip
    assert written["series"][0]["overheadP50"] == pytest.approx(3, abs=0.01)
    assert written["versions"] == {"nginx": "1.26.3"}


def test_every_form_of_a_report_says_which_nordgate_made_it(result: Result, tmp_path: Path) -> None:
    report.write(result, tmp_path)
    assert json.loads((tmp_path / "test-gw1.json").read_text())["nordgate"] == __version__
    for form in ("md", "html"):
        assert f"nordgate {__version__}" in (tmp_path / f"test-gw1.{form}").read_text(), form


def test_inconclusive_check_is_exit_code_3_and_0_where_the_plan_only_warns(make_plan: Any) -> None:
    doubt = [Line("late sends", "50%", "≤ 10%", Verdict.INCONCLUSIVE)]
    assert Result(make_plan(), doubt).exit_code == 3
    warned = Result(make_plan(onInconclusive="warn"), doubt)
    assert (warned.exit_code, warned.verdict) == (0, "inconclusive")


def test_page_needs_nothing_from_elsewhere_and_no_script(result: Result) -> None:
    text = html_page.html(result.report(), [one.rounds for one in result.series], [])
    assert "<script" not in text
    fetched = [
        url for url in re.findall(r"""(?:src|href)=["']([^"']+)|url\(([^)]+)""", text) if not url[0].startswith("#")
    ]
    assert fetched == []
    assert "<i>" not in text


def test_charts_are_well_formed_and_carry_both_curves(result: Result) -> None:
    text = html_page.html(result.report(), [one.rounds for one in result.series], [])
    svg = text[text.index("<svg") : text.index("</svg>") + 6]
    words = " ".join(ElementTree.fromstring(svg).itertext())
    assert [word for word in ("gateway", "baseline", "p99.9") if word not in words] == []


def test_charts_come_in_a_width_for_telephones_too(make_plan: Any) -> None:
    found = result_of(make_plan())
    former = [past_runs.Past("", "pass", "local /a|b<i> h2", 1, 1)]
    text = html_page.html(found.report(), [one.rounds for one in found.series], former)
    assert re.findall(r'<div class="(wide|narrow)"><svg', text) == ["wide", "narrow"] * 2
    assert set(re.findall(r'viewBox="0 0 (\d+)', text)) == {"960", "420"}


@pytest.mark.parametrize(("value", "label"), [(0.5, "0.5 ms"), (500, "500 ms"), (1000, "1 s"), (2000, "2 s")])
def test_axes_are_labelled_in_words_that_people_use(value: float, label: str) -> None:
    assert html_page.axis_label(value) == label


def test_markdown_starts_with_the_verdict_and_lets_no_path_break_its_tables(result: Result) -> None:
    text = markdown(result.report(), [])
    assert text.splitlines()[0] == "### ✅ pass: test gw1"
    assert r"**/a\|b\<i\>** over h2 from local, 200 requests/s" in text
    widths = {line.count(" | ") for line in text.splitlines() if line.startswith("| p99")}
    assert widths == {3}


def test_failed_check_names_the_reason_in_markdown(make_plan: Any) -> None:
    text = markdown(result_of(make_plan(), errors={"status 502": 7}).report(), [])
    assert "- errors is 14 of 2000 (14 x status 502), wanted ≤ 0%" in text


def test_newest_run_is_held_against_the_median_of_the_former(make_plan: Any, tmp_path: Path) -> None:
    for milliseconds in (4, 5, 400):
        report.write(result_of(make_plan(), milliseconds), tmp_path)
    report.write(result_of(make_plan(), 10), tmp_path)
    assert "p99 +100 % against the median of 3 runs." in (tmp_path / "test-gw1.md").read_text()
    assert "+100 % against the median of 3 runs" in (tmp_path / "test-gw1.html").read_text()


def test_history_outlives_a_line_that_was_cut_short(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    past_runs.add(path, result.report())
    path.write_text(path.read_text() + '{"at": "20')
    past_runs.add(path, result.report())
    assert [past.p50 for past in past_runs.read(path)] == [4.001, 4.001]


def test_runs_of_another_path_or_protocol_are_not_compared(result: Result) -> None:
    former = [past_runs.Past("", "pass", "local / http/1.1", 1, 1)]
    assert "against the median" not in markdown(result.report(), former)


def test_every_report_leads_with_the_likeliest_cause_and_what_to_do(
    make_plan: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = result_of(make_plan())
    found.lines.append(Line("requests in the access log", "0 of 20", "≥ 10", Verdict.FAIL))
    found.causes = [
        Cause("the data volume is <full>", "delete [what] fills it", ("/srv/nordgate: 0 of 9 blocks are free",)),
        Cause("and nginx is old", "deploy a newer image", ("1.2.3",)),
    ]
    report.show(found)
    told = capsys.readouterr().err
    ends = told[told.index("FAIL: ") :].splitlines()
    assert ends[:3] == [
        "FAIL: the data volume is <full>",
        "  do:       delete [what] fills it",
        "  shown by: /srv/nordgate: 0 of 9 blocks are free",
    ]
    assert ends[-1] == "  also:     and nginx is old"
    page_path = report.write(found, tmp_path)
    summary = found.summary(page_path)
    assert (summary["cause"], summary["remedy"]) == ("the data volume is <full>", "delete [what] fills it")
    text = page_path.with_suffix(".md").read_text()
    assert text.index("is \\<full\\>") < text.index("delete \\[what\\]") < text.index("requests in the access log")
    text = page_path.read_text()
    assert text.index("is &lt;full&gt;") < text.index("delete [what]") < text.index("requests in the access log")
