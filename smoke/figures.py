"""From tallies to figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from smoke.engine.job import Tally

SHOWN = (50.0, 90.0, 99.0, 99.9)
_HIGHEST = 3_600_000_000
"""Microseconds: an hour."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    percentiles: dict[float, float]
    maximum: float
    count: int
    throughput: float
    """Answers per second."""


def histogram(tallies: Iterable[Tally]) -> HdrHistogram:
    """All their latencies in microseconds, to three digits."""
    counts = HdrHistogram(1, _HIGHEST, 3)
    for tally in tallies:
        for microseconds, count in tally.latencies.items():
            counts.record_value(microseconds, count)
    return counts


def summarise(tallies: Sequence[Tally]) -> Latency:
    """The figures of several rounds taken together."""
    counts = histogram(tallies)
    total = counts.get_total_count()
    seconds = sum(tally.seconds for tally in tallies)
    answers = sum(sum(tally.latencies.values()) - tally.unanswered for tally in tallies)
    return Latency(
        {p: counts.get_value_at_percentile(p) / 1000 if total else 0.0 for p in SHOWN},
        max((max(tally.latencies, default=0) for tally in tallies), default=0) / 1000,
        total,
        answers / seconds if seconds else 0.0,
    )


def overhead(gateway: Sequence[Tally], baseline: Sequence[Tally], percentile: float) -> float:
    """Milliseconds: the median of the rounds' differences, so that noise in one round does not decide.

    What the baseline did not answer is left out there: as a slow answer it would make the gateway look fast.
    """
    pairs = zip(gateway, baseline, strict=True)
    differences = [
        summarise([one]).percentiles[percentile] - summarise([answered(other)]).percentiles[percentile]
        for one, other in pairs
    ]
    return median(differences)


def answered(tally: Tally) -> Tally:
    """The tally without the latencies of requests that were never answered: they are its longest."""
    left = sum(tally.latencies.values()) - tally.unanswered
    latencies = {}
    for microseconds, count in sorted(tally.latencies.items()):
        if (kept := min(count, left)) > 0:
            latencies[microseconds] = kept
        left -= count
    return replace(tally, latencies=latencies)


def beyond(tallies: Iterable[Tally], limit: float) -> int:
    """How many requests were not answered within so many milliseconds, those that never were among them."""
    return sum(
        sum(count for microseconds, count in tally.latencies.items() if microseconds > limit * 1000)
        for tally in tallies
    )


def name(percentile: float) -> str:
    """`p99.9`."""
    return f"p{percentile:g}"


def milliseconds(value: float) -> str:
    """For people: `4.21 ms`, `42.1 ms`, `1.25 s`."""
    return f"{value:.2f} ms" if abs(value) < 10 else f"{value:.1f} ms" if abs(value) < 1000 else f"{value / 1000:.2f} s"
