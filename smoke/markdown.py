"""The report as Markdown, for a pull request or a job summary."""

from __future__ import annotations

from smoke import past_runs
from smoke.figures import milliseconds
from smoke.past_runs import Past
from smoke.report_document import Report, Row

_MARKS = {"pass": "✅ pass", "fail": "❌ fail", "inconclusive": "⚠️ inconclusive", "shown": ""}


def markdown(report: Report, former: list[Past]) -> str:
    """Verdict first, then a table for every series, then the proofs folded away."""
    lines = [
        f"### {_MARKS[report.verdict]}: {report.stack} {report.gateway}",
        "",
        f"{report.url}, {_when(report)}, nordgate {report.nordgate}",
        "",
    ]
    if report.budget_scale != 1:
        lines += [f"Budgets are {report.budget_scale:g} times the region's: this is no production stack.", ""]
    for number, cause in enumerate(report.causes):
        lines += [f"**{'Also' if number else 'Likely cause'}:** {_plain(cause.sentence)}", ""]
        if number == 0:
            lines += [f"**Do:** {_plain(cause.remedy)}", "", *(f"    {line}" for line in cause.evidence), ""]
    if report.problem:
        lines += [f"> {_plain(report.problem)}", ""]
    lines += [f"- {_plain(sentence)}" for sentence in report.failing] + ([""] if report.failing else [])
    for one in report.series:
        lines += [f"**{_plain(one.path)}** over {one.protocol} from {one.vantage}, {one.rate:g} requests/s", ""]
        head = ["", "p50", "p90", "p99", "p99.9", "max", "answers"]
        lines += [_row(head), _row(["---"] + ["--:"] * (len(head) - 1))]
        for title, figures in (("gateway", one.latency), ("baseline", one.baseline)):
            if figures:
                values = (figures.p50, figures.p90, figures.p99, figures.p999, figures.max)
                lines.append(_row([title, *map(milliseconds, values), f"{figures.throughput:.1f}/s"]))
        past = past_runs.of(past_runs.key(one.vantage, one.path, one.protocol), former)
        changed = past_runs.change(one.latency.p99, [run.p99 for run in past])
        lines += ["", *([f"p99 {changed}.", ""] if changed else [])]
        lines += _judged(one.lines)
    lines += ["<details><summary>Proofs</summary>", "", *_judged(report.lines), "</details>", ""]
    return "\n".join(lines)


def _judged(rows: list[Row]) -> list[str]:
    kept = [row for row in rows if row.verdict != "shown"]
    cells = [_row([_plain(row.what), _plain(row.found), row.budget, _MARKS[row.verdict]]) for row in kept]
    return [_row(["what", "found", "budget", "verdict"]), _row(["---"] * 4), *cells, ""] if kept else []


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """What a server or a path says stays text in Markdown."""
    text = " ".join(text.split())
    for mark in "\\`*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def _when(report: Report) -> str:
    return report.at.strftime("%Y-%m-%d %H:%M UTC")
