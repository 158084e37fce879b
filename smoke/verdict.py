"""From figures to verdicts: what was found, what is allowed, and whether that may be judged at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from smoke.engine.job import Tally
from smoke.latency import SHOWN, Latency, milliseconds, name, overhead, samples_needed, summarise
from smoke.load import Budget

SATURATED_SHARE = 0.10
"""More late sends than this, and the load was not the declared one: nothing about latency is proved."""

FULL_CORE = 0.90
"""A generator that uses more of its core than this is itself what requests wait for."""

STOLEN_SHARE = 0.02
"""More time than this taken from the guest by its host, and it is the host that was measured."""


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

    @property
    def sentence(self) -> str:
        return f"{self.what} is {self.found}, wanted {self.budget}"


@dataclass(frozen=True)
class Rounds:
    """What one series gave, round by round."""

    gateway: list[Tally]
    baseline: list[Tally] = field(default_factory=list)
    """As many, or none."""
    stolen: float | None = None
    """Share of the guest's processor time that its host took, if it was asked."""

    @property
    def sent(self) -> int:
        return sum(tally.sent for tally in self.gateway)

    @property
    def errors(self) -> Counter[str]:
        return sum((Counter(tally.errors) for tally in self.gateway), Counter())

    @property
    def worst_delay(self) -> float:
        return max(tally.worst_delay for tally in self.gateway)

    @property
    def processor(self) -> float:
        return max(tally.processor for tally in (*self.gateway, *self.baseline))

    def late(self, after: float) -> int:
        return sum(tally.late(after) for tally in self.gateway)


def late_after(budget: Budget) -> float:
    """Seconds after which a send is late: when its delay alone is a tenth of the budget, and 1 ms at least."""
    limit = budget.p99 or budget.p50
    return 0.01 if limit is None else _weighs(limit)


def judge(rounds: Rounds, budget: Budget) -> list[Line]:
    """A line for every percentile, for the overhead, for errors, and for the measurement itself."""
    latency = summarise(rounds.gateway)
    lines = [_percentile(p, rounds, latency, budget.limits.get(p)) for p in SHOWN]
    lines.append(Line("max", milliseconds(latency.maximum), "", Verdict.SHOWN))
    if rounds.baseline:
        lines += [
            _overhead(50, rounds, latency, budget.overhead.p50),
            _overhead(99, rounds, latency, budget.overhead.p99),
        ]
    return [*lines, _throughput(latency, budget), _errors(rounds, budget), *_measurement(rounds, budget)]


def overall(lines: list[Line]) -> Verdict:
    """A proved failure counts more than a doubt, and a doubt more than a pass."""
    verdicts = {line.verdict for line in lines}
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def _percentile(percentile: float, rounds: Rounds, latency: Latency, limit: float | None) -> Line:
    value = latency.percentiles[percentile]
    doubt = limit is not None and (
        _generator_explains(percentile, value, limit, rounds) or _noise_explains(percentile, limit, rounds)
    )
    return _judged(name(percentile), percentile, value, limit, latency.count, doubt)


def _overhead(percentile: float, rounds: Rounds, latency: Latency, limit: float | None) -> Line:
    value = overhead(rounds.gateway, rounds.baseline, percentile)
    count = min(latency.count, summarise(rounds.baseline).count)
    return _judged(f"{name(percentile)} over the baseline", percentile, value, limit, count, doubt=False)


def _judged(what: str, percentile: float, value: float, limit: float | None, count: int, doubt: bool) -> Line:
    needed = samples_needed(percentile)
    scarce = f" (not judged: {count} samples of {needed})" if count < needed else ""
    if limit is None:
        return Line(what, milliseconds(value), "", Verdict.SHOWN)
    if scarce:
        return Line(what, milliseconds(value) + scarce, f"≤ {milliseconds(limit)}", Verdict.SHOWN)
    verdict = Verdict.PASS if value <= limit else Verdict.INCONCLUSIVE if doubt else Verdict.FAIL
    return Line(what, milliseconds(value), f"≤ {milliseconds(limit)}", verdict)


def _throughput(latency: Latency, budget: Budget) -> Line:
    found = f"{latency.throughput:.1f}/s"
    if budget.min_throughput is None:
        return Line("answers", found, "", Verdict.SHOWN)
    enough = latency.throughput >= budget.min_throughput
    return Line("answers", found, f"≥ {budget.min_throughput:g}/s", Verdict.PASS if enough else Verdict.FAIL)


def _errors(rounds: Rounds, budget: Budget) -> Line:
    errors = rounds.errors
    kinds = ", ".join(f"{count} x {kind}" for kind, count in errors.most_common(3))
    found = f"{errors.total()} of {rounds.sent}" + (f" ({kinds})" if kinds else "")
    excess = errors.total() / rounds.sent > budget.error_rate
    return Line("errors", found, f"≤ {budget.error_rate * 100:g}%", Verdict.FAIL if excess else Verdict.PASS)


def _measurement(rounds: Rounds, budget: Budget) -> list[Line]:
    """Whether what was sent was what was meant, and what was measured was the gateway."""
    share = rounds.late(late_after(budget)) / rounds.sent
    late = f"{share:.1%}, worst {milliseconds(rounds.worst_delay * 1000)}"
    lines = [
        Line("late sends", late, f"≤ {SATURATED_SHARE:.0%}", _trusted(share <= SATURATED_SHARE)),
        Line(
            "generator",
            f"{rounds.processor:.0%} of a core",
            f"≤ {FULL_CORE:.0%}",
            _trusted(rounds.processor <= FULL_CORE),
        ),
    ]
    if rounds.stolen is not None:
        trusted = _trusted(rounds.stolen <= STOLEN_SHARE)
        lines.append(Line("stolen from the guest", f"{rounds.stolen:.1%}", f"≤ {STOLEN_SHARE:.0%}", trusted))
    return lines


def _trusted(good: bool) -> Verdict:
    return Verdict.PASS if good else Verdict.INCONCLUSIVE


def _generator_explains(percentile: float, value: float, limit: float, rounds: Rounds) -> bool:
    """Whether the generator's own delay is enough, in number and in size, to have caused the excess.

    A delay is followed by a burst, which a gateway with half its capacity to spare works off within the same time
    again: so up to twice the delay, and as many requests that were in time as were late, can be its doing.
    """
    enough = 2 * rounds.late(_weighs(limit)) / rounds.sent >= 1 - percentile / 100
    return enough and value - 2 * rounds.worst_delay * 1000 <= limit


def _noise_explains(percentile: float, limit: float, rounds: Rounds) -> bool:
    """Whether the excess is that of one round among three or more, or the baseline, without gateway, has it too.

    One bad round is measured again and not judged: a fault that comes back fails then, noise does not.
    """
    bad = sum(summarise([tally]).percentiles[percentile] > limit for tally in rounds.gateway)
    if len(rounds.gateway) >= 3 and bad <= 1:
        return True
    return bool(rounds.baseline) and summarise(rounds.baseline).percentiles[percentile] > limit


def _weighs(limit: float) -> float:
    return max(1.0, limit / 10) / 1000
