"""Series are measured again while noise leaves them undecided, and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smoke import vantage as vantages
from smoke.engine.job import Endpoint, Job, Tally
from smoke.engine.run import measure as carry_out
from smoke.load import Vantage
from smoke.measure import Series, measure, most_reconnects, stolen_share
from smoke.plan_parts import KeepAlive
from smoke.progress import Progress
from smoke.result import Result


def tally(milliseconds: float = 1, late: int = 0) -> Tally:
    return Tally(0, {int(milliseconds * 1000): 1000}, {3: 1000 - late, 900_000: late}, {}, seconds=1)


GOOD, NOISY, BAD = tally(), tally(late=900), tally(900)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[Tally]:
    """What the generator finds, attempt by attempt."""
    found: list[Tally] = []

    def give(_: Vantage, job: Job) -> Iterator[Tally]:
        one = found.pop(0)
        yield from [one] * job.rounds

    monkeypatch.setattr(vantages, "measure", give)
    return found


@pytest.mark.parametrize(
    ("found", "tried", "verdict", "exit_code"),
    [
        ([GOOD], 1, "pass", 0),
        ([NOISY, GOOD], 2, "pass", 0),
        ([BAD], 1, "fail", 1),
        ([NOISY, BAD], 2, "fail", 1),
        ([NOISY, NOISY, NOISY], 3, "inconclusive", 3),
    ],
    ids=["good", "noise once", "bad", "noise, then bad", "noise all the time"],
)
def test_only_doubt_is_measured_again(
    attempts: list[Tally], make_plan: Any, found: list[Tally], tried: int, verdict: str, exit_code: int
) -> None:
    attempts += found
    plan = make_plan(budget={"p99": 100}, load={"rate": 200, "durationSeconds": 5})
    series = measure(plan, plan.load, None, Progress(quiet=True))
    result = Result(plan, series=series)
    assert (series[0].attempts, result.verdict, result.exit_code, attempts) == (tried, verdict, exit_code, [])


def test_connections_that_this_machine_cannot_open_are_not_tried_again(attempts: list[Tally], make_plan: Any) -> None:
    short = tally()
    short.missing_connections = 64
    attempts += [short]
    plan = make_plan()
    series = measure(plan, plan.load, None, Progress(quiet=True))
    assert (series[0].attempts, Result(plan, series=series).verdict) == (1, "inconclusive")


def test_every_route_protocol_and_vantage_is_a_series_with_its_own_budget(
    attempts: list[Tally], make_plan: Any
) -> None:
    attempts += [GOOD] * 8
    plan = make_plan(
        budget={"p50": 5, "p99": 100},
        routes={"/": {}, "/slow": {"p99": 500}},
        vantages=[{"name": "here", "reach": "local"}, {"name": "far", "reach": "ssh://h", "budget": {"p50": 50}}],
        load={"protocols": ["http/1.1", "h2"], "rounds": 1},
    )
    found: list[Series] = measure(plan, plan.load, None, Progress(quiet=True))
    budgets = {one.label: (one.budget.p50, one.budget.p99) for one in found}
    assert len(budgets) == 8
    assert budgets["here / h2"] == (5, 100)
    assert budgets["far /slow http/1.1"] == (50, 500)


def test_time_stolen_from_the_guest_is_read_around_the_measurement(attempts: list[Tally], make_plan: Any) -> None:
    attempts.append(GOOD)
    stats = iter(["cpu  100 0 100 700 0 0 0 10 0 0\ncpu0 1", "cpu  150 0 150 790 0 0 0 20 0 0\ncpu0 1"])
    plan = make_plan(retries=0)
    (series,) = measure(plan, plan.load, None, Progress(quiet=True), lambda: next(stats))
    assert series.rounds.stolen == pytest.approx(10 / 200)
    assert [line.verdict for line in series.lines if line.what == "stolen from the guest"] == ["inconclusive"]


@pytest.mark.parametrize(
    ("settings", "endpoints", "most"),
    [
        (None, 1, None),
        (KeepAlive(requests=10_000, timeout_seconds=75), 1, 8),
        (KeepAlive(requests=100, timeout_seconds=75), 1, 8 + 11),
        (KeepAlive(requests=1, timeout_seconds=75), 1, 8 + 1100),
        (KeepAlive(requests=10_000, timeout_seconds=0.08), 1, None),
        (KeepAlive(requests=10_000, timeout_seconds=2), 2, None),
    ],
    ids=["unknown", "a reload", "used up", "none is kept", "idle between requests", "idle in the baseline's rounds"],
)
def test_reconnects_are_explained_by_a_reload_and_by_what_is_declared(
    settings: KeepAlive | None, endpoints: int, most: int | None
) -> None:
    endpoint = Endpoint("127.0.0.1", 443, "api.test.localhost", "/")
    assert most_reconnects(Job((endpoint,) * endpoints, 100, 2, 5, 1, 8, 1, 5), settings) == most


def test_guest_that_counted_nothing_had_nothing_stolen() -> None:
    assert stolen_share("cpu 1 1 1 1 1 1 1 1", "cpu 1 1 1 1 1 1 1 1") == 0


def test_gateway_and_baseline_take_turns(server: Any, certificate: Path) -> None:
    gateway = Endpoint("127.0.0.1", server.port, "api.test.localhost", "/", authorities=certificate.read_text())
    found = list(carry_out(Job((gateway, gateway), 100, 0.1, 3, 0.1, 2, 1, 5)))
    assert [tally.endpoint for tally in found] == [0, 1, 0, 1, 0, 1]
    assert server.requests == 80  # warm-up of both, then 10 in each of six
