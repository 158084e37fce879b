"""What a latency run can judge: how many requests a budget needs, and which length or rate of the run sends as many.

Of the standard library alone: the files of a region are held to it, and every plan of a smoke check.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PERCENTILES = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
"""The percentiles that a budget can limit, by their settings."""

WARM_UP = 1.0
"""Seconds of requests that are sent before a series and not counted."""

STREAMS = 32
"""Requests under way at once on one HTTP/2 connection, where the gateway allows as many."""

_LONGEST = 3600.0
_FASTEST = 100_000


@dataclass(frozen=True)
class Run:
    """One series of a smoke check; times in seconds."""

    rate: float
    seconds: float
    rounds: int
    timeout: float
    baseline: bool
    """Whether an upstream is measured in turn."""

    @property
    def round_requests(self) -> int:
        """As many as the load generator sends in each round."""
        return max(1, round(self.rate * self.seconds / self.rounds))

    @property
    def requests(self) -> int:
        """The number of requests in all rounds."""
        return self.round_requests * self.rounds


def samples_needed(percentile: float) -> int:
    """From 10 / (1 - p) samples on a percentile is judged: 1,000 for p99, 10,000 for p99.9."""
    return math.ceil(round(10 / (1 - percentile / 100), 6))


def unjudged(limits: Mapping[str, float], run: Run) -> Iterator[tuple[str, str]]:
    """The limits that the run cannot judge, each with the reason and with what would do.

    `limits` are one series' own, by setting: `p50`, `p99`, `p999`, `overhead.p50`, `overhead.p99` in seconds,
    `errorRate` as a share, `minThroughput` in answers per second.
    """
    errors = limits.get("errorRate", 0.0)
    for name, limit in limits.items():
        percentile = PERCENTILES.get(name.removeprefix("overhead."))
        if percentile is not None:
            of_rounds = name.startswith("overhead.")
            if of_rounds and not run.baseline:
                yield name, "is over a baseline, and there is none: needs `baseline`"
            elif limit > run.timeout:
                yield name, f"{_seconds(limit)} is longer than any answer is waited for, {_seconds(run.timeout)}"
            elif errors == 1:
                yield name, "with errorRate 1 no request need be answered, and nothing is left to judge"
            elif reason := _too_few(percentile, errors, run, of_rounds):
                yield name, reason
        elif name == "errorRate" and 0 < limit * run.requests < 1:
            needed = math.ceil(round(1 / limit, 6))
            yield name, f"{limit:g} is less than one of {run.requests:,} requests: {_enough(needed, run)}, or 0"
        elif name == "minThroughput" and limit > run.rate:
            yield name, f"{limit:g} answers per second can never come of a rate of {run.rate:g} requests per second"


def _too_few(percentile: float, errors: float, run: Run, of_rounds: bool) -> str | None:
    """Why the percentile cannot be judged once as many requests fail as may; nothing when it can."""
    needed = math.ceil(round(samples_needed(percentile) / (1 - errors), 6))
    have = run.round_requests if of_rounds else run.requests
    if have >= needed:
        return None
    name, allowing = f"p{percentile:g}", f", {errors:.3g} of which may fail" if errors else ""
    if not of_rounds:
        return (
            f"{name} is judged from {needed:,} requests on{allowing}, and the run has {have:,}: {_enough(needed, run)}"
        )
    fewer = run.requests // needed
    rounds = f", or rounds: {fewer}" if fewer else ""
    return (
        f"{name} over the baseline is judged from {needed:,} requests in each of the {run.rounds} rounds on{allowing}, "
        f"and the run has {have:,}: {_enough(needed * run.rounds, run)}{rounds}"
    )


def _enough(needed: int, run: Run) -> str:
    """The length of the run, or its rate, at which it has so many requests."""
    total = math.ceil(needed / run.rounds) * run.rounds
    seconds, rate = math.ceil(10 * total / run.rate) / 10, math.ceil(total / run.seconds)
    ways = [f"a duration of {seconds:g}s"] if seconds <= _LONGEST else []
    ways += [f"a rate of {rate}"] if rate <= _FASTEST else []
    return " or ".join(ways) + " would do" if ways else "no run is as long"


def _seconds(value: float) -> str:
    return f"{value * 1000:g}ms" if value < 1 else f"{value:g}s"
