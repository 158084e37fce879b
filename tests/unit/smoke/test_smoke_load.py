"""The load engine tells the truth about a server whose delays are known, and judges only what may be judged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from smoke.http1 import Target, tls_context
from smoke.load import Samples, measure
from smoke.plan import Budget, Load, Trust
from smoke.problems import TargetProblem
from smoke.verdict import Line, Verdict, judge, late_after, overall, samples_needed, summarise

NAME = "api.test.localhost"


@pytest.fixture
def target(server: Any, certificate: Path) -> Target:
    return Target("127.0.0.1", server.port, NAME, tls_context(Trust(ca_file=str(certificate))))


def line(lines: list[Line], what: str) -> Line:
    return next(row for row in lines if row.what == what)


def test_known_delays_come_back_as_percentiles(server: Any, target: Target) -> None:
    server.delay = lambda _, number: 0.5 if number % 20 == 0 else 0.1
    latency = summarise(measure(target, Load(rate=100, duration_seconds=2, warm_up_seconds=0.2, connections=40), "/"))
    assert latency.count == 200
    assert 99 <= latency.percentiles[50] <= 130  # a busy machine only ever adds
    assert 495 <= latency.percentiles[99] <= 650


def test_stall_is_paid_by_every_request_that_was_due_during_it(server: Any, target: Target) -> None:
    """A second in which nothing is answered: of 2 s at 200/s, half the requests wait, evenly from 1 s down to 0."""
    server.delay = lambda since, _: max(0.0, 1.5 - since) if since > 0.5 else 0.0
    server.restart_clock()
    load = Load(rate=200, duration_seconds=2, warm_up_seconds=0, connections=4)
    latency = summarise(measure(target, load, "/"))
    assert latency.count == 400
    assert latency.percentiles[90] == pytest.approx(800, rel=0.15)
    assert latency.percentiles[99] == pytest.approx(980, rel=0.15)


def test_warm_up_is_sent_and_not_counted(server: Any, target: Target) -> None:
    server.delay = lambda _, number: 0.6 if number <= 20 else 0.0
    samples = measure(target, Load(rate=100, duration_seconds=0.5, warm_up_seconds=1), "/")
    assert server.requests == 150
    assert (samples.sent, len(samples.latencies)) == (50, 50)
    assert max(samples.latencies) < 0.5


def test_server_that_closes_connections_costs_no_errors(server: Any, target: Target) -> None:
    server.per_connection = 10
    samples = measure(target, Load(rate=200, duration_seconds=1, warm_up_seconds=0, connections=8), "/")
    assert samples.errors == Counter()
    assert samples.reconnects >= 10


def test_wrong_status_is_an_error_and_no_sample(server: Any, target: Target) -> None:
    server.status = 502
    samples = measure(target, Load(rate=100, duration_seconds=0.3, warm_up_seconds=0), "/")
    assert samples.errors == {"status 502": 30}
    assert samples.latencies == []


def test_unanswered_request_is_given_up_and_still_counted(server: Any, target: Target) -> None:
    server.delay = lambda _, number: 60.0 if number == 5 else 0.0
    load = Load(rate=100, duration_seconds=0.5, warm_up_seconds=0, connections=4, timeout_seconds=0.4)
    samples = measure(target, load, "/")
    assert samples.errors == {"timed out": 1}
    assert len(samples.latencies) == 50
    assert max(samples.latencies) >= 0.4


def test_server_that_falls_silent_in_the_middle_ends_the_run_with_errors(server: Any, target: Target) -> None:
    server.delay = lambda since, _: 60.0 if since > 0.3 else 0.0
    server.restart_clock()
    load = Load(rate=100, duration_seconds=0.6, warm_up_seconds=0, connections=4, timeout_seconds=0.3)
    samples = measure(target, load, "/")
    assert samples.sent == 60
    assert samples.errors["timed out"] >= 20


def test_certificate_that_is_not_the_trusted_one_is_one_sentence(target: Target) -> None:
    stranger = Target(target.host, target.port, NAME, tls_context(Trust()))
    with pytest.raises(TargetProblem, match=rf"^the certificate of {NAME} at 127.0.0.1:\d+ is not to be trusted: "):
        measure(stranger, Load(), "/")


def samples_of(milliseconds: float, count: int = 1000, late: int = 0, delay: float = 30, **errors: int) -> Samples:
    """Equal latencies; `late` of the requests were sent `delay` milliseconds after their moment."""
    delays = [delay / 1000] * late + [0.0] * (count + sum(errors.values()) - late)
    return Samples([milliseconds / 1000] * count, Counter(errors), delays)


def verdicts(samples: Samples, budget: Budget) -> list[Line]:
    return judge(samples, summarise(samples), budget)


@pytest.mark.parametrize(("percentile", "needed"), [(50, 20), (90, 100), (99, 1000), (99.9, 10_000)])
def test_percentile_needs_ten_samples_beyond_it(percentile: float, needed: int) -> None:
    assert samples_needed(percentile) == needed


@pytest.mark.parametrize(
    ("count", "verdict"), [(1000, Verdict.FAIL), (999, Verdict.SHOWN)], ids=["judged", "not judged"]
)
def test_percentile_over_budget_fails_only_with_enough_samples(count: int, verdict: Verdict) -> None:
    assert line(verdicts(samples_of(50, count), Budget(p99=10)), "p99").verdict is verdict


def test_percentile_without_budget_is_only_shown() -> None:
    assert line(verdicts(samples_of(50), Budget()), "p99").verdict is Verdict.SHOWN


@pytest.mark.parametrize(
    ("milliseconds", "late", "verdict"),
    [
        (5, 0, "pass"),
        (50, 0, "fail"),
        (50, 20, "inconclusive"),
        (500, 20, "fail"),
        (5, 20, "pass"),
        (5, 200, "inconclusive"),
    ],
    ids=["good", "slow", "slow by the generator", "slower than by the generator", "good all the same", "saturated"],
)
def test_late_sends_excuse_only_what_they_can_have_caused(milliseconds: float, late: int, verdict: str) -> None:
    """They only ever add to a latency: a budget that is kept all the same is kept."""
    assert overall(verdicts(samples_of(milliseconds, late=late), Budget(p99=10))) == verdict


def test_errors_beyond_their_budget_fail_even_when_the_generator_was_saturated() -> None:
    assert overall(verdicts(samples_of(5, late=500, lost=1), Budget())) is Verdict.FAIL


def test_errors_within_their_budget_pass() -> None:
    assert overall(verdicts(samples_of(5, lost=5), Budget(error_rate=0.01))) is Verdict.PASS


@pytest.mark.parametrize(("budget", "seconds"), [(Budget(), 0.01), (Budget(p99=60), 0.006), (Budget(p50=5), 0.001)])
def test_send_is_late_when_its_delay_alone_weighs_in_the_budget(budget: Budget, seconds: float) -> None:
    assert late_after(budget) == pytest.approx(seconds)
