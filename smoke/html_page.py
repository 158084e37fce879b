"""The report as one HTML page that needs nothing else: styles and charts are inside, and no script."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pygal  # type: ignore[import-untyped]
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pygal.style import Style  # type: ignore[import-untyped]

from smoke import past_runs
from smoke.figures import histogram, milliseconds
from smoke.past_runs import Past
from smoke.report_document import Report, SeriesReport
from smoke.rounds import Rounds

_TICKS = (0, 50, 90, 99, 99.9, 99.99, 99.999)
_STEPS = 120
_WIDTHS = {"wide": 960, "narrow": 420}
"""Of each chart there are two: one that is scaled to a telephone's screen cannot be read."""
_FONT = "system-ui, sans-serif"
_STYLE = Style(
    background="transparent", plot_background="transparent", foreground="var(--ink)", foreground_strong="var(--ink)",
    foreground_subtle="var(--line)", colors=("var(--gateway)", "var(--baseline)"), font_family=_FONT,
    label_font_size=13, major_label_font_size=13, legend_font_size=14, tooltip_font_size=12,
    guide_stroke_dasharray="2,4",
    guide_stroke_color="var(--line)", major_guide_stroke_color="var(--line)", transition="0s", stroke_width=2.5,
)  # fmt: skip


def html(report: Report, rounds: list[Rounds], former: list[Past]) -> str:
    """The page. `rounds`: those of the report's series, in the same order."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["ms"] = milliseconds
    return environment.get_template("report.html.j2").render(
        report=report,
        when=report.at.strftime("%Y-%m-%d %H:%M UTC"),
        series=[_series(one, measured, former) for one, measured in zip(report.series, rounds, strict=True)],
    )


def _series(one: SeriesReport, rounds: Rounds, former: list[Past]) -> dict[str, Any]:
    past = past_runs.of(past_runs.key(one.vantage, one.path, one.protocol), former)
    return {
        "found": one,
        "charts": {shape: _percentiles(rounds, width) for shape, width in _WIDTHS.items()},
        "trends": {shape: _trend(past, one, width) for shape, width in _WIDTHS.items()} if past else {},
        "p50_change": past_runs.change(one.latency.p50, [run.p50 for run in past]),
        "p99_change": past_runs.change(one.latency.p99, [run.p99 for run in past]),
    }


def _percentiles(rounds: Rounds, width: int) -> str:
    """Latency over percentile, both logarithmic: each nine takes the same width, each factor the same height."""
    curves = {}
    for title, tallies in (("gateway", rounds.gateway), ("baseline", rounds.baseline)):
        counts = histogram(tallies)
        if total := counts.get_total_count():
            last = math.log10(total)
            nines = [last * step / _STEPS for step in range(_STEPS + 1)]
            curves[title] = [(x, math.log10(counts.get_value_at_percentile(100 * (1 - 10**-x)) / 1000)) for x in nines]
    heights = [y for curve in curves.values() for _, y in curve]
    end = max((x for curve in curves.values() for x, _ in curve), default=1)
    chart = pygal.XY(
        **_common(width, height=min(380, width)), show_dots=False, show_legend=bool(rounds.baseline),
        x_labels=[{"value": _nines(p), "label": f"p{p:g}" if p else "min"} for p in _TICKS if _nines(p) <= end],
        y_labels=_scale(min(heights, default=0), max(heights, default=0)),
    )  # fmt: skip
    for title, curve in curves.items():
        chart.add(title, curve)
    return _inline(chart)


def _scale(lowest: float, highest: float) -> list[dict[str, Any]]:
    """1, 2, 5, 10 and so on, from below the lowest to above the highest; all are logarithms of milliseconds."""
    steps = [exponent + math.log10(digit) for exponent in range(-3, 5) for digit in (1, 2, 5)]
    first = max((step for step in steps if step <= lowest), default=steps[0])
    last = min((step for step in steps if step >= highest), default=steps[-1])
    return [{"value": step, "label": axis_label(10**step)} for step in steps if first <= step <= last]


def axis_label(value: float) -> str:
    """Milliseconds as `0.5 ms`, `500 ms`, `1 s`."""
    return f"{value / 1000:.3g} s" if value > 999 else f"{value:.3g} ms"


def _trend(past: list[Past], one: SeriesReport, width: int) -> str:
    """p50 and p99 of the former runs and, last, of this one."""
    chart = pygal.Line(**_common(width, height=240), show_x_labels=False, dots_size=4, include_x_axis=True)
    chart.add("p99", [*(run.p99 for run in past), one.latency.p99])
    chart.add("p50", [*(run.p50 for run in past), one.latency.p50])
    return _inline(chart)


def _common(width: int, height: int) -> dict[str, Any]:
    return {
        "style": _STYLE, "js": [], "width": width, "height": height, "margin": 8, "margin_right": 30,
        "legend_at_bottom": True, "legend_box_size": 12, "disable_xml_declaration": True, "show_x_guides": True,
        "value_formatter": axis_label,
    }  # fmt: skip


def _inline(chart: Any) -> str:
    chart.add_xml_filter(_without_scripts)
    return str(chart.render(is_unicode=True))


def _without_scripts(root: Any) -> Any:
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return root


def _nines(percentile: float) -> float:
    return -math.log10(1 - percentile / 100)
