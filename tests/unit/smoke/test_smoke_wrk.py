"""wrk's own words are taken as they are, and never judged."""

from __future__ import annotations

from typing import Any

import pytest

from nordgate.errors import TargetError, UsageError
from smoke import wrk
from smoke.verdict import Verdict

SAID = """Running 30s test @ https://127.0.0.1:8443/health
  12 threads and 400 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    12.18ms   30.46ms 340.12ms   91.20%
    Req/Sec     4.61k     1.02k    7.10k    70.00%
  Latency Distribution
     50%    2.10ms
     75%    6.42ms
     90%   31.05ms
     99%    1.01s 
  120000 requests in 30.02s, 20.14MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
Requests/sec:   3997.33
Transfer/sec:    686.94KB
"""


def test_percentiles_rate_and_errors_are_shown_and_labelled() -> None:
    lines = wrk.parse(SAID)
    assert {line.what: line.found for line in lines} == {
        "wrk p50": "2.10ms",
        "wrk p75": "6.42ms",
        "wrk p90": "31.05ms",
        "wrk p99": "1.01s",
        "wrk answers": "3997.33/s",
        "wrk socket errors": "connect 0, read 3, write 0, timeout 1",
    }
    assert {(line.verdict, line.budget) for line in lines} == {(Verdict.SHOWN, "closed loop: shown, never judged")}


def test_words_that_are_not_wrks_are_refused() -> None:
    with pytest.raises(TargetError, match=r"^wrk says nothing that can be read: unable to connect"):
        wrk.parse("unable to connect\n to it")


def test_no_answer_is_no_result() -> None:
    """Such as wrk prints it after 30 s of refused handshakes, with exit code 0."""
    said = SAID.replace("3997.33", "0.00").replace("connect 0, read 3, write 0, timeout 1", "connect 4369, read 0")
    with pytest.raises(TargetError, match=r"^wrk got no answer in 30 s; socket errors: connect 4369, read 0\.$"):
        wrk.parse(said)


def test_missing_wrk_is_one_sentence(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UsageError, match="install the package wrk"):
        wrk.lines(make_plan())
