"""From figures to verdicts: what was found, what is allowed, and whether that may be judged at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from smoke.engine.job import Tally
from smoke.figures import SHOWN, Latency, answered, beyond, milliseconds, name, overhead, summarise
from smoke.load import Budget
from smoke.rounds import Rounds
from smoke.sampling import samples_needed

SATURATED_SHARE = 0.10
"""More late sends than this, and the load was not the declared one: nothing about latency is proved."""

FULL_CORE = 0.90
"""A generator that uses more of its core than this is itself what requests wait for."""

STOLEN_SHARE = 0.02
"""More time than this taken from the guest by its host, and it is the host that was measured."""


class Verdict(StrEnum):
    """What is said of one line, and of a whole check."""

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

    @classmethod
    def judged(cls, what: str, found: str, wanted: str, good: bool) -> Line:
        """A line that passes or fails."""
        return cls(what, found, wanted, Verdict.PASS if good else Verdict.FAIL)

    @property
    def sentence(self) -> str:
        """The line as a sentence."""
        return f"{self.what} is {self.found}, wanted {self.budget}"


def late_after(budget: Budget) -> float:
    """Seconds after which a send is late: when its delay alone is a tenth of the budget, and 1 ms at least."""
    limit = budget.p99 or budget.p50 or budget.p999
    return 0.01 if limit is None else _weighs(limit)


def judge(rounds: Rounds, budget: Budget) -> list[Line]:
    """A line for every percentile, for the overhead, for errors, and for the measurement itself."""
    latency = summarise(rounds.gateway)
    lines = [_percentile(p, rounds, latency, budget.limits.get(p)) for p in SHOWN]
    lines.append(Line("max", milliseconds(latency.maximum), "", Verdict.SHOWN))
    if rounds.baseline:
        lines += [_overhead(50, rounds, budget.overhead.p50), _overhead(99, rounds, budget.overhead.p99)]
    lines += [_throughput(latency, budget), _errors(rounds, budget), *_connections(rounds)]
    return lines + _measurement(rounds, budget)


def overall(lines: list[Line]) -> Verdict:
    """A proved failure counts more than a doubt, and a doubt more than a pass."""
    verdicts = {line.verdict for line in lines}
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def _percentile(percentile: float, rounds: Rounds, latency: Latency, limit: float | None) -> Line:
    what, found = name(percentile), milliseconds(latency.percentiles[percentile])
    if limit is None:
        return Line(what, found, "", Verdict.SHOWN)
    needed = samples_needed(percentile)
    # What is missing may have been as fast as can be: beyond the limit are too many all the same.
    if beyond(rounds.gateway, limit) > _may_exceed(percentile, max(latency.count, needed)):
        explained = _generator_explains(percentile, latency, limit, rounds) or _noise_explains(
            percentile, limit, rounds
        )
        return Line(what, found, f"≤ {milliseconds(limit)}", Verdict.INCONCLUSIVE if explained else Verdict.FAIL)
    if latency.count < needed:
        return Line(what, _scarce(found, latency.count, needed), f"≤ {milliseconds(limit)}", Verdict.INCONCLUSIVE)
    return Line(what, found, f"≤ {milliseconds(limit)}", Verdict.PASS)


def _overhead(percentile: float, rounds: Rounds, limit: float | None) -> Line:
    what = f"{name(percentile)} over the baseline"
    value = overhead(rounds.gateway, rounds.baseline, percentile)
    found = milliseconds(value)
    if limit is None:
        return Line(what, found, "", Verdict.SHOWN)
    # Each round gives a difference of its own, and the median of such as mean nothing means nothing.
    sides = (*rounds.gateway, *map(answered, rounds.baseline))
    fewest, needed = min(sum(tally.latencies.values()) for tally in sides), samples_needed(percentile)
    if fewest < needed:
        found, verdict = _scarce(found, fewest, needed, " in one round"), Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.PASS if value <= limit else Verdict.FAIL
    return Line(what, found, f"≤ {milliseconds(limit)}", verdict)


def _scarce(found: str, count: int, needed: int, where: str = "") -> str:
    return f"{found} (not judged: {count} of {needed} samples{where})"


def _may_exceed(percentile: float, count: int) -> float:
    """So many of `count` requests a percentile's limit lets be slower."""
    return round((1 - percentile / 100) * count, 6)


def _throughput(latency: Latency, budget: Budget) -> Line:
    found = f"{latency.throughput:.1f}/s"
    if budget.min_throughput is None:
        return Line("answers", found, "", Verdict.SHOWN)
    enough = latency.throughput >= budget.min_throughput
    return Line.judged("answers", found, f"≥ {budget.min_throughput:g}/s", enough)


def _errors(rounds: Rounds, budget: Budget) -> Line:
    errors = rounds.errors
    kinds = ", ".join(f"{count} x {kind}" for kind, count in errors.most_common(3))
    found = f"{errors.total()} of {rounds.sent}" + (f" ({kinds})" if kinds else "")
    excess = errors.total() / rounds.sent > budget.error_rate
    return Line("errors", found, f"≤ {budget.error_rate * 100:g}%", Verdict.FAIL if excess else Verdict.PASS)


def _connections(rounds: Rounds) -> list[Line]:
    """Those that ended without a word, with requests on them or idle, and how many had to be opened again at all."""
    lost = Line("connections lost", str(rounds.lost), "0", Verdict.FAIL if rounds.lost else Verdict.PASS)
    most, found = rounds.most_reconnects, str(rounds.reconnects)
    if most is None:
        return [lost, Line("reconnects", found, "", Verdict.SHOWN)]
    return [lost, Line.judged("reconnects", found, f"≤ {most}", rounds.reconnects <= most)]


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
    if rounds.missing_connections:
        found = f"{rounds.missing_connections} fewer: the hard limit of open files (ulimit -Hn) ends there"
        lines.append(Line("connections", found, "as many as declared", Verdict.INCONCLUSIVE))
    if rounds.stolen is not None:
        trusted = _trusted(rounds.stolen <= STOLEN_SHARE)
        lines.append(Line("stolen from the guest", f"{rounds.stolen:.1%}", f"≤ {STOLEN_SHARE:.0%}", trusted))
    return lines


def _trusted(good: bool) -> Verdict:
    return Verdict.PASS if good else Verdict.INCONCLUSIVE


def _generator_explains(percentile: float, latency: Latency, limit: float, rounds: Rounds) -> bool:
    """Whether the generator's own delay is enough, in number and in size, to have caused the excess.

    A delay is followed by a burst, which a gateway with half its capacity to spare works off within the same time
    again: so up to twice the delay, and as many requests that were in time as were late, can be its doing.
    """
    enough = 2 * rounds.late(_weighs(limit)) / rounds.sent >= 1 - percentile / 100
    return enough and latency.percentiles[percentile] - 2 * rounds.worst_delay * 1000 <= limit


def _noise_explains(percentile: float, limit: float, rounds: Rounds) -> bool:
    """Whether the excess is that of one round among three or more, or the baseline, without gateway, has it too.

    One bad round is measured again and not judged: a fault that comes back fails then, noise does not.
    """
    bad = sum(_exceeds(percentile, [tally], limit) for tally in rounds.gateway)
    if len(rounds.gateway) >= 3 and bad <= 1:
        return True
    return summarise(rounds.baseline).count > 0 and _exceeds(percentile, rounds.baseline, limit)


def _exceeds(percentile: float, tallies: list[Tally], limit: float) -> bool:
    """Whether more of these requests than may are beyond the limit. Where there was no answer, nothing was good."""
    count = summarise(tallies).count
    return count == 0 or beyond(tallies, limit) > _may_exceed(percentile, count)


def _weighs(limit: float) -> float:
    return max(1.0, limit / 10) / 1000
