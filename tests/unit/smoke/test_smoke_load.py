"""The load engine tells the truth about a server whose delays are known, and judges only what may be judged."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from smoke.engine.connection_errors import Unreachable, explain
from smoke.engine.job import Endpoint, Job, Tally
from smoke.engine.run import measure
from smoke.figures import summarise
from smoke.load import Budget, Overhead
from smoke.rounds import Rounds
from smoke.sampling import samples_needed
from smoke.verdict import Line, Verdict, judge, late_after, overall

NAME = "api.test.localhost"


class Ask(Protocol):
    def __call__(self, rate: float, seconds: float, connections: int = ..., **settings: Any) -> Tally: ...


@pytest.fixture
def ask(server: Any, certificate: Path) -> Ask:
    """One round against the server."""

    def run(rate: float, seconds: float, connections: int = 16, **settings: Any) -> Tally:
        endpoint = Endpoint("127.0.0.1", server.port, NAME, "/", authorities=certificate.read_text())
        times = {"rounds": 1, "warm_up_seconds": 0, "streams": 32, "timeout_seconds": 5} | settings
        (tally,) = measure(Job((endpoint,), rate, seconds, connections=connections, **times))
        return tally

    return run


def answered(tally: Tally) -> int:
    return sum(tally.latencies.values())


def line(lines: list[Line], what: str) -> Line:
    return next(row for row in lines if row.what == what)


ROUNDS = 5
"""A busy machine only ever adds: of so many rounds, one that shows the engine alone is enough."""


def found_in_a_round(measured: Callable[[], Tally], count: int, wanted: dict[int, tuple[float, float]]) -> None:
    """Asserts that percentiles of a round, in milliseconds, lie between two bounds."""
    seen = []
    for _ in range(ROUNDS):
        latency = summarise([measured()])
        assert latency.count == count
        seen.append(latency.percentiles)
        if all(least <= latency.percentiles[percentile] <= most for percentile, (least, most) in wanted.items()):
            return
    raise AssertionError(f"of {ROUNDS} rounds none had {wanted}: {seen}")


def test_known_delays_come_back_as_percentiles(server: Any, ask: Ask) -> None:
    def measured() -> Tally:
        server.requests = 0
        return ask(100, 2, connections=40, warm_up_seconds=0.2)

    server.delay = lambda _, number: 0.5 if number % 20 == 0 else 0.1
    found_in_a_round(measured, 200, {50: (99, 130), 99: (495, 650)})


def test_stall_is_paid_by_every_request_that_was_due_during_it(server: Any, ask: Ask) -> None:
    """A second in which nothing is answered: of 2 s at 200/s, half the requests wait, evenly from 1 s down to 0."""

    def measured() -> Tally:
        server.restart_clock()
        return ask(200, 2, connections=4)

    server.delay = lambda since, _: max(0.0, 1.5 - since) if since > 0.5 else 0.0
    found_in_a_round(measured, 400, {90: (680, 920), 99: (833, 1127)})


def test_warm_up_is_sent_and_not_counted(server: Any, ask: Ask) -> None:
    server.delay = lambda _, number: 0.6 if number <= 20 else 0.0
    tally = ask(100, 0.5, warm_up_seconds=1)
    assert server.requests == 150
    assert (tally.sent, answered(tally)) == (50, 50)
    assert max(tally.latencies) < 500_000


def test_server_that_closes_connections_costs_no_errors(server: Any, ask: Ask) -> None:
    server.per_connection = 10
    tally = ask(200, 1, connections=8)
    assert tally.errors == {}
    assert tally.reconnects >= 10
    assert tally.lost == 0


@pytest.mark.parametrize(
    ("how", "error", "lost"), [("instead", "connection closed unanswered", 0), ("abruptly", "connection lost", 10)]
)
def test_request_that_is_taken_and_not_answered_is_an_error(
    server: Any, ask: Ask, how: str, error: str, lost: int
) -> None:
    """Also on a connection that was used before: what the server has read, it is not asked again."""
    server.per_connection = 10
    setattr(server, how, True)
    tally = ask(100, 1, connections=4)
    assert list(tally.errors) == [error]
    assert 6 <= tally.errors[error] <= 10
    assert tally.lost == min(lost, tally.errors[error])
    assert server.requests == 100


def test_connection_that_is_lost_while_it_is_idle_or_warms_up_counts(server: Any, ask: Ask) -> None:
    server.per_connection, server.abruptly = 10, True
    tally = ask(100, 0.05, connections=4, warm_up_seconds=0.6)
    assert tally.errors == {}
    assert tally.lost >= 4


def test_wrong_status_is_an_error_and_no_sample(server: Any, ask: Ask) -> None:
    server.status = 502
    tally = ask(100, 0.3)
    assert tally.errors == {"status 502": 30}
    assert tally.latencies == {}


def test_unanswered_request_is_given_up_and_still_counted(server: Any, ask: Ask) -> None:
    server.delay = lambda _, number: 60.0 if number == 5 else 0.0
    tally = ask(100, 0.5, connections=4, timeout_seconds=0.4)
    assert tally.errors == {"timed out": 1}
    assert answered(tally) == 50
    assert max(tally.latencies) >= 400_000


def test_server_that_falls_silent_in_the_middle_ends_the_run_with_errors(server: Any, ask: Ask) -> None:
    server.delay = lambda since, _: 60.0 if since > 0.3 else 0.0
    server.restart_clock()
    tally = ask(100, 0.6, connections=4, timeout_seconds=0.3)
    assert tally.sent == 60
    assert tally.errors["timed out"] >= 20


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "other.localhost"}, r"^the certificate of other.localhost at 127.0.0.1:\d+ is not to be trusted: "),
        ({"port": 1}, r"^127.0.0.1:1 refuses the connection: nothing listens there\.$"),
        ({"host": "nothing.invalid"}, "^there is no address for nothing.invalid: "),
        ({"protocol": "h2"}, r"^127.0.0.1:\d+ does not offer HTTP/2 \(ALPN h2\)\.$"),
    ],
)
def test_endpoint_that_cannot_be_asked_is_one_sentence(
    server: Any, certificate: Path, change: dict[str, Any], sentence: str
) -> None:
    values = {"host": "127.0.0.1", "port": server.port, "name": NAME, "path": "/"}
    endpoint = Endpoint(**values | {"authorities": certificate.read_text()} | change)
    with pytest.raises(Unreachable, match=sentence):
        next(measure(Job((endpoint,), 10, 1, 1, 0, 1, 1, 5)))


def tally_of(milliseconds: float, count: int = 1000, late: int = 0, delay: float = 30, **errors: int) -> Tally:
    """Equal latencies; `late` of the requests were sent `delay` milliseconds after their moment."""
    delays = {int(delay * 1000): late, 1: count + sum(errors.values()) - late}
    return Tally(0, {int(milliseconds * 1000): count}, delays, errors, seconds=10)


def verdicts(tally: Tally, budget: Budget) -> list[Line]:
    return judge(Rounds([tally]), budget)


@pytest.mark.parametrize(("percentile", "needed"), [(50, 20), (90, 100), (99, 1000), (99.9, 10_000)])
def test_percentile_needs_ten_samples_beyond_it(percentile: float, needed: int) -> None:
    assert samples_needed(percentile) == needed


@pytest.mark.parametrize(
    ("fast", "slow", "budget", "what", "verdict"),
    [
        (990, 10, Budget(p99=10), "p99", "pass"),
        (989, 11, Budget(p99=10), "p99", "fail"),
        (999, 0, Budget(p99=10), "p99", "inconclusive"),
        (989, 10, Budget(p99=10), "p99", "inconclusive"),
        (500, 11, Budget(p99=10), "p99", "fail"),
        (1025, 25, Budget(p999=8), "p99.9", "fail"),
        (1050, 0, Budget(p999=8), "p99.9", "inconclusive"),
        (0, 10, Budget(p50=5), "p50", "inconclusive"),
        (0, 11, Budget(p50=5), "p50", "fail"),
    ],
)
def test_a_budget_passes_only_with_enough_samples_and_fails_when_the_missing_ones_could_not_save_it(
    fast: int, slow: int, budget: Budget, what: str, verdict: str
) -> None:
    tally = Tally(0, {1000: fast, 4_000_000: slow}, {1: fast + slow}, {}, seconds=7)
    assert line(verdicts(tally, budget), what).verdict == verdict


@pytest.mark.parametrize("kind", ["timed out", "connection lost", "stream reset"])
def test_a_request_without_an_answer_is_slower_than_any_budget(kind: str) -> None:
    tally = Tally(0, {1000: 1025, 5_000_000: 25}, {1: 1050}, {kind: 25}, seconds=7)
    found = verdicts(tally, Budget(p50=5, p99=1000, p999=5000, error_rate=0.1))
    assert {one.what for one in found if one.verdict is Verdict.FAIL} == {"p99"}
    assert (line(found, "p99.9").verdict, line(found, "p50").verdict) == ("inconclusive", "pass")


def test_an_error_that_its_budget_allows_is_no_sample() -> None:
    """Nor does it save the others: of too few good answers nothing is judged."""
    tally = Tally(0, {1000: 980}, {1: 1050}, {"status 502": 70}, seconds=7)
    found = verdicts(tally, Budget(p50=5, p99=10, error_rate=0.1))
    assert (line(found, "p50").verdict, line(found, "p99").verdict) == ("pass", "inconclusive")
    assert "(not judged: 980 of 1000 samples)" in line(found, "p99").found


def test_a_connection_that_is_lost_costs_its_request_the_whole_time_out(server: Any, ask: Ask) -> None:
    server.dies_at = 20
    tally = ask(100, 0.5, connections=1, timeout_seconds=0.4)
    assert tally.errors == {"connection lost": 1}
    assert (answered(tally), tally.unanswered) == (50, 1)
    assert max(tally.latencies) >= 400_000


def test_how_long_an_answer_takes_is_not_held_against_their_number(server: Any, ask: Ask) -> None:
    server.delay = lambda *_: 0.3
    assert summarise([ask(100, 0.5, connections=50)]).throughput > 80  # of 100


def test_percentile_without_budget_is_only_shown() -> None:
    assert line(verdicts(tally_of(50), Budget()), "p99").verdict is Verdict.SHOWN


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
    assert overall(verdicts(tally_of(milliseconds, late=late), Budget(p99=10))) == verdict


def test_errors_beyond_their_budget_fail_even_when_the_generator_was_saturated() -> None:
    assert overall(verdicts(tally_of(5, late=500, lost=1), Budget())) is Verdict.FAIL


def test_errors_within_their_budget_pass() -> None:
    assert overall(verdicts(tally_of(5, lost=5), Budget(error_rate=0.01))) is Verdict.PASS


@pytest.mark.parametrize(
    ("reconnects", "lost", "most", "verdict"),
    [(0, 0, 8, "pass"), (8, 0, 8, "pass"), (9, 0, 8, "fail"), (9, 0, None, "pass"), (1, 1, 8, "fail")],
    ids=["none", "a reload", "again and again", "by unknown settings", "without a word"],
)
def test_reconnects_pass_as_far_as_settings_explain_them_and_lost_connections_never(
    reconnects: int, lost: int, most: int | None, verdict: str
) -> None:
    tally = tally_of(5)
    tally.reconnects, tally.lost = reconnects, lost
    assert overall(judge(Rounds([tally], most_reconnects=most), Budget())) == verdict


@pytest.mark.parametrize(("budget", "seconds"), [(Budget(), 0.01), (Budget(p99=60), 0.006), (Budget(p50=5), 0.001)])
def test_send_is_late_when_its_delay_alone_weighs_in_the_budget(budget: Budget, seconds: float) -> None:
    assert late_after(budget) == pytest.approx(seconds)


QUIET, BAD = {1: 1000}, {50_000: 300, 1000: 700}


def rounds_of(*latencies: dict[int, int]) -> list[Tally]:
    return [Tally(0, counts, QUIET, {}, seconds=1) for counts in latencies]


@pytest.mark.parametrize(
    ("gateway", "baseline", "verdict"),
    [
        ([{1000: 1000}] * 5, [], "pass"),
        ([BAD] * 5, [], "fail"),
        ([BAD, *[{1000: 1000}] * 4], [], "inconclusive"),
        ([BAD, BAD, *[{1000: 1000}] * 3], [], "fail"),
        ([BAD] * 3, [BAD] * 3, "inconclusive"),
        ([BAD] * 3, [{500: 1000}] * 3, "fail"),
    ],
    ids=["good", "bad", "one bad round", "two bad rounds", "baseline as bad", "baseline good"],
)
def test_excess_that_noise_explains_is_a_doubt(
    gateway: list[dict[int, int]], baseline: list[dict[int, int]], verdict: str
) -> None:
    rounds = Rounds(rounds_of(*gateway), rounds_of(*baseline))
    assert overall(judge(rounds, Budget(p99=10))) == verdict


def test_overhead_is_the_median_of_the_rounds_differences() -> None:
    gateway, baseline = rounds_of({3000: 1000}, {3000: 1000}, {90_000: 1000}), rounds_of(*[{1000: 1000}] * 3)
    found = line(judge(Rounds(gateway, baseline), Budget(overhead=Overhead(p50=3))), "p50 over the baseline")
    assert (found.found, found.verdict) == ("2.00 ms", Verdict.PASS)


@pytest.mark.parametrize(
    ("counts", "baseline", "errors", "verdict"),
    [
        ([20, 20, 20], [20, 20, 20], 0, "pass"),
        ([20, 19, 20], [20, 20, 20], 0, "inconclusive"),
        ([20, 20, 20], [20, 19, 20], 0, "inconclusive"),
        ([20, 20, 20], [20, 0, 20], 0, "inconclusive"),
        ([20, 20, 20], [20, 20, 20], 1, "inconclusive"),
    ],
    ids=["enough", "one round short", "a baseline short", "a baseline without answers", "a baseline with time-outs"],
)
def test_overhead_is_judged_when_every_round_has_enough_answers(
    counts: list[int], baseline: list[int], errors: int, verdict: str
) -> None:
    ours = [Tally(0, {3000: count} if count else {}, {1: 20}, {}, seconds=1) for count in counts]
    theirs = [Tally(1, {1000: count} if count else {}, {1: 20}, {}, seconds=1) for count in baseline]
    if errors:
        theirs[0] = Tally(1, {1000: 19, 5_000_000: 1}, {1: 20}, {"timed out": 1}, seconds=1)
    found = line(judge(Rounds(ours, theirs), Budget(overhead=Overhead(p50=5))), "p50 over the baseline")
    assert found.verdict == verdict


def test_time_outs_of_the_baseline_do_not_make_the_gateway_look_fast() -> None:
    ours, lost = rounds_of(*[{9000: 1000}] * 3), {"timed out": 600}
    theirs = [Tally(1, {1000: 1000, 5_000_000: 600}, {1: 1600}, lost, seconds=1) for _ in range(3)]
    found = line(judge(Rounds(ours, theirs), Budget(overhead=Overhead(p50=5))), "p50 over the baseline")
    assert found.verdict is Verdict.FAIL


def test_fewer_connections_than_declared_prove_nothing() -> None:
    tally = tally_of(5)
    tally.missing_connections = 64
    assert overall(verdicts(tally, Budget(p99=10))) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("least", "verdict"), [(99, Verdict.PASS), (101, Verdict.FAIL)])
def test_too_few_answers_per_second_fail(least: float, verdict: Verdict) -> None:
    assert line(verdicts(tally_of(5), Budget(min_throughput=least)), "answers").verdict is verdict


@pytest.mark.parametrize(
    ("processor", "stolen", "verdict"), [(0.5, 0.01, "pass"), (0.95, None, "inconclusive"), (0.5, 0.03, "inconclusive")]
)
def test_generator_without_room_and_stolen_time_prove_nothing(
    processor: float, stolen: float | None, verdict: str
) -> None:
    tally = tally_of(5)
    tally.processor = processor
    assert overall(judge(Rounds([tally], stolen=stolen), Budget(p99=10))) == verdict


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:992)"),
        ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF) (_ssl.c:992)"),
    ],
    ids=["cut off", "closed"],
)
def test_an_end_within_the_handshake_is_told_in_the_same_words_whenever_it_is_noticed(error: ssl.SSLError) -> None:
    said = explain(Endpoint("127.0.0.1", 8443, NAME, "/"), error)
    assert said == "127.0.0.1:8443 fails the TLS handshake: unexpected eof while reading."
