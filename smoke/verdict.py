"""From samples to verdicts: what was found, what is allowed, and whether that may be judged at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from smoke.load import Samples
from smoke.plan import Budget

SHOWN = (50, 90, 99)
SATURATED_SHARE = 0.10
"""More late sends than this, and the load was not the declared one: nothing about latency is proved."""


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    SHOWN = "shown"
    """Of a line only: for information, not judged."""


EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 3}


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    what: str
    found: str
    budget: str
    verdict: Verdict


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    percentiles: dict[int, float]
    maximum: float
    count: int


def summarise(samples: Samples) -> Latency:
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for seconds in samples.latencies:
        histogram.record_value(max(1, round(seconds * 1e6)))
    values = {p: histogram.get_value_at_percentile(p) / 1000 if samples.latencies else 0.0 for p in SHOWN}
    return Latency(values, max(samples.latencies, default=0.0) * 1000, len(samples.latencies))


def samples_needed(percentile: float) -> int:
    """From 10 / (1 - p) samples on a percentile is judged: 1,000 for p99."""
    return math.ceil(round(10 / (1 - percentile / 100), 6))


def late_after(budget: Budget) -> float:
    """Seconds after which a send is late: when its delay alone is a tenth of the budget, and 1 ms at least."""
    limit = budget.p99 or budget.p50
    return 0.01 if limit is None else _weighs(limit)


def judge(samples: Samples, latency: Latency, budget: Budget) -> list[Line]:
    """A line for every percentile, for errors, and for the generator itself."""
    lines = [_percentile(p, samples, latency, {50: budget.p50, 99: budget.p99}.get(p)) for p in SHOWN]
    lines.append(Line("max", _ms(latency.maximum), "", Verdict.SHOWN))
    failed = sum(samples.errors.values())
    kinds = ", ".join(f"{count} x {kind}" for kind, count in samples.errors.most_common(3))
    found = f"{failed} of {samples.sent}" + (f" ({kinds})" if kinds else "")
    excess = failed / samples.sent > budget.error_rate
    lines.append(Line("errors", found, f"≤ {budget.error_rate * 100:g}%", Verdict.FAIL if excess else Verdict.PASS))
    share = samples.late(late_after(budget)) / samples.sent
    found = f"{share:.1%}, worst {_ms(samples.worst_delay * 1000)}"
    saturated = Verdict.INCONCLUSIVE if share > SATURATED_SHARE else Verdict.PASS
    lines.append(Line("late sends", found, f"≤ {SATURATED_SHARE:.0%}", saturated))
    return lines


def overall(lines: list[Line]) -> Verdict:
    """A proved failure counts more than a doubt, and a doubt more than a pass."""
    verdicts = {line.verdict for line in lines}
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def _percentile(percentile: int, samples: Samples, latency: Latency, limit: float | None) -> Line:
    what, value = f"p{percentile}", latency.percentiles[percentile]
    if limit is None:
        return Line(what, _ms(value), "", Verdict.SHOWN)
    budget = f"≤ {_ms(limit)}"
    needed = samples_needed(percentile)
    if latency.count < needed:
        found = f"{_ms(value)} (not judged: {latency.count} samples of {needed})"
        return Line(what, found, budget, Verdict.SHOWN)
    if value <= limit:
        return Line(what, _ms(value), budget, Verdict.PASS)
    doubt = _generator_explains(percentile, value, limit, samples)
    return Line(what, _ms(value), budget, Verdict.INCONCLUSIVE if doubt else Verdict.FAIL)


def _generator_explains(percentile: int, value: float, limit: float, samples: Samples) -> bool:
    """Whether the generator's own delay is enough, in number and in size, to have caused the excess.

    A delay is followed by a burst, which a gateway with half its capacity to spare works off within the same time
    again: so up to twice the delay, and as many requests that were in time as were late, can be its doing.
    """
    enough = 2 * samples.late(_weighs(limit)) / samples.sent >= 1 - percentile / 100
    return enough and value - 2 * samples.worst_delay * 1000 <= limit


def _weighs(limit: float) -> float:
    return max(1.0, limit / 10) / 1000


def _ms(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.2f} s"
