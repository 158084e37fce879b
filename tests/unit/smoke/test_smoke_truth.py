"""The generator against servers that are known: what it reports, what a closed loop reports, and what it adds.

The tables of docs/latency.md are what these print (`pytest --long -s tests/unit/smoke/test_smoke_truth.py`).
"""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO

import pytest

from smoke.engine.job import HTTP1, HTTP2, Endpoint, Job, Tally
from smoke.figures import summarise
from smoke.load import LOCAL
from smoke.vantage import measure
from smoke.wrk import parse
from tests.render.instant import make_folders
from tests.render.sites import Site
from tests.unit.smoke.queue_server import SERVICE, until_the_stall_ends
from toolchain.distribution_nginx import unpacked

NAME = "api.test.localhost"
SECONDS = 40
RATE = 25
"""Requests per second, at which the queue's server is half busy."""
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


def true_percentiles(first: float) -> dict[float, float]:
    """In milliseconds: what requests wait that come at that rate, in a queue of one server.

    `first` is the moment of the first request: how the requests fall to the stalls moves p90 by 7 %.
    """
    latencies, free_at = [], 0.0
    for number in range(RATE * SECONDS):
        comes = first + number / RATE
        begins = max(comes, free_at)
        free_at = begins + until_the_stall_ends(begins) + SERVICE
        latencies.append((free_at - comes) * 1000)
    latencies.sort()
    return {p: latencies[math.ceil(len(latencies) * p / 100) - 1] for p in PERCENTILES}


def tallies(job: Job) -> list[Tally]:
    return [told for told in measure(LOCAL, job) if isinstance(told, Tally)]


def milliseconds(text: str) -> float:
    """wrk's `40.95ms` or `1.01s`."""
    number, unit = text.rstrip("mus"), text.lstrip("0123456789.")
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


@dataclass(frozen=True)
class Queue:
    """A server that works on one request at a time and stalls for a second in every ten."""

    port: int
    says: IO[str]

    def first(self) -> float:
        """The moment of the first request, in seconds since the server's start."""
        return float(self.says.readline())


@pytest.fixture
def queue() -> Iterator[Queue]:
    command = [sys.executable, "-m", "tests.unit.smoke.queue_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Queue(int(process.stdout.readline()), process.stdout)
        process.kill()


@pytest.mark.long
@pytest.mark.alone
def test_percentiles_are_those_of_the_injected_stalls_and_a_closed_loop_reports_others(queue: Queue) -> None:
    endpoint = Endpoint("127.0.0.1", queue.port, NAME, "/", tls=False)
    (tally,) = tallies(Job((endpoint,), RATE, SECONDS, 1, 0, connections=128, streams=1, timeout_seconds=10))
    found, true = summarise([tally]).percentiles, true_percentiles(queue.first())
    wrk = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "--latency"]
    done = subprocess.run(
        [*wrk, f"http://127.0.0.1:{queue.port}/"], capture_output=True, text=True, timeout=SECONDS + 30, check=True
    )
    closed = {line.what: line.found for line in parse(done.stdout)}
    print(f"\ntrue {true}\nopen loop {found}\nclosed loop {closed}")
    for percentile in PERCENTILES:
        assert found[percentile] == pytest.approx(true[percentile], rel=0.05)
    for percentile in (50, 90):
        assert milliseconds(closed[f"wrk p{percentile}"]) != pytest.approx(true[percentile], rel=0.05)


NGINX = """
worker_processes 1; user root; error_log stderr; pid /run/nginx.pid; worker_rlimit_nofile 12000;
events {{ worker_connections 11000; }}
http {{
  access_log off; keepalive_requests 1000000; server_name_in_redirect off;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2; server_name api.test.localhost;
    ssl_certificate gateway.crt; ssl_certificate_key gateway.key; ssl_protocols TLSv1.3;
    location / {{ return 200 "ok"; }}
  }}
}}
"""


@pytest.fixture
def instant(tmp_path: Path, certificate: Path) -> Iterator[dict[str, Endpoint]]:
    """An nginx in a process of its own that answers at once, in the clear and over TLS.

    It runs ahead of the machine's other work, as the generator does: what they add to each other is measured.
    """
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        plain, tls = one.getsockname()[1], other.getsockname()[1]
    make_folders(tmp_path)
    (tmp_path / "etc/nginx/nginx.conf").write_text(NGINX.format(plain=plain, tls=tls))
    for file in (certificate, certificate.with_suffix(".key")):
        shutil.copy(file, tmp_path / "etc/nginx")
    shell = Site(unpacked("bookworm"), tmp_path).shell("nginx -g 'daemon off;'")
    process = subprocess.Popen(
        ["chrt", "-f", "1", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", shell]
    )
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", plain)):
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.02)
        secure = Endpoint("127.0.0.1", tls, NAME, "/", authorities=certificate.read_text())
        yield {
            "http/1.1": Endpoint("127.0.0.1", plain, NAME, "/", HTTP1, tls=False),
            "http/1.1 over TLS": secure,
            "h2": Endpoint("127.0.0.1", tls, NAME, "/", HTTP2, authorities=secure.authorities),
        }
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("kind", ["http/1.1", "http/1.1 over TLS", "h2"])
def test_generator_adds_less_than_a_millisecond_at_2000_requests_a_second(
    instant: dict[str, Endpoint], kind: str
) -> None:
    found = tallies(Job((instant[kind],), 2000, 3, 10, 1, connections=16, streams=32, timeout_seconds=5))
    p99 = median(summarise([tally]).percentiles[99] for tally in found)
    processor = max(tally.processor for tally in found)
    print(f"\n{kind}: p99 {p99} ms, processor {processor:.2f}, whole {summarise(found).percentiles}")
    assert sum((tally.sent for tally in found), 0) == 60_000
    assert [tally.errors for tally in found if tally.errors] == []
    assert p99 < 1
    assert processor < 1


@pytest.mark.long
@pytest.mark.alone
def test_ten_thousand_connections_stay_open_and_are_used(instant: dict[str, Endpoint]) -> None:
    job = Job((instant["http/1.1 over TLS"],), 1000, 12, 1, 0, connections=9_000, streams=1, timeout_seconds=10)
    (tally,) = tallies(job)
    assert (tally.errors, tally.reconnects, tally.sent) == ({}, 0, 12_000)
