"""What the load generator makes of connections that a real nginx ends: of a worker that dies, a reload, a limit."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudinit import GuestFile
from smoke.alerts import messages
from smoke.engine.job import HTTP1, HTTP2, Endpoint, Job, Tally
from smoke.engine.run import measure
from smoke.load import Budget
from smoke.rounds import Rounds
from smoke.verdict import judge, overall
from tests.render.backends import started
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import NAME, Served, network_of_its_own
from tests.render.sites import rendered_case
from tests.tables import first

CONFIGURATION = "/etc/nginx/nginx.conf"
CONNECTIONS = 8


@pytest.fixture(params=DEBIANS)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def gateway(serve: Serve, platform: str, **directives: str) -> Iterator[Served]:
    """With the limits of one client off, which a check stays below, and other values of some directives."""
    documents = rendered_case("served", platform)
    files = {
        path: file.content.replace("limit_req zone", "# limit_req").replace("limit_conn client", "# limit_conn")
        for path, file in documents.files.items()
    }
    for name, value in directives.items():
        before = next(line for line in files[CONFIGURATION].splitlines() if line.strip().startswith(f"{name} "))
        files[CONFIGURATION] = files[CONFIGURATION].replace(before, f"{name} {value};")
    changed = dataclasses.replace(documents, files={path: GuestFile(text) for path, text in files.items()})
    with network_of_its_own(), started() as backends, serve(changed, platform, backends) as served:
        yield served


def measured(served: Served, protocol: str, rate: float = 300, seconds: float = 1.5, path: str = "/") -> Tally:
    endpoint = Endpoint("127.0.0.1", 443, NAME, path, protocol, authorities=served.authority.read_text())
    (tally,) = measure(Job((endpoint,), rate, seconds, 1, 0, CONNECTIONS, 32, 5))
    return tally


def workers(served: Served) -> list[int]:
    return [int(word) for word in Path(f"/proc/{served.process}/task/{served.process}/children").read_text().split()]


def alerted(served: Served) -> list[str]:
    found = messages((served.site.folder / "srv/nordgate/log/error.log").read_text().splitlines(), "")
    # This machine may allow fewer open files than a guest does.
    return [message for message in found if not message.startswith("setrlimit(")]


@contextmanager
def meanwhile(served: Served, action: Callable[[], None]) -> Iterator[None]:
    """Do it as soon as a hundred requests have been sent."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while len(served.backends.asked) < 100 and time.monotonic() < deadline:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("protocol", [HTTP1, HTTP2])
def test_a_worker_that_dies_fails_the_check(serve: Serve, platform: str, protocol: str) -> None:
    def kill() -> None:
        for worker in workers(served):
            os.kill(worker, signal.SIGKILL)

    with gateway(serve, platform) as served:
        served.backends.delay = 0.05  # some requests are always under way
        with meanwhile(served, kill):
            tally = measured(served, protocol)
    assert tally.lost == CONNECTIONS
    assert list(tally.errors) == ["connection lost"]
    assert any("exited on signal 9" in message for message in alerted(served))
    assert overall(judge(Rounds([tally]), Budget(error_rate=1))) == "fail"


@pytest.mark.parametrize("protocol", [HTTP1, HTTP2])
def test_reloads_cost_no_request_and_are_told_as_reconnects(serve: Serve, platform: str, protocol: str) -> None:
    def reload() -> None:
        for _ in range(4):
            os.kill(served.process, signal.SIGHUP)
            time.sleep(0.4)

    for _ in range(3):
        with gateway(serve, platform) as served, meanwhile(served, reload):
            tally = measured(served, protocol, rate=800, seconds=2.5)
        if list(tally.errors) != ["timed out"]:
            break  # else the backends, which are Python, could not answer so many on a machine that has other work
    assert (tally.errors, tally.lost, alerted(served)) == ({}, 0, [])
    assert tally.reconnects >= CONNECTIONS


@pytest.mark.parametrize("protocol", first(1, [HTTP1, HTTP2]))
def test_a_limit_of_requests_costs_none(serve: Serve, platform: str, protocol: str) -> None:
    with gateway(serve, platform, keepalive_requests="20") as served:
        tally = measured(served, protocol, rate=400)
    assert (tally.errors, tally.lost) == ({}, 0)
    assert 600 / 20 - CONNECTIONS <= tally.reconnects <= 600 / 20 + CONNECTIONS


@pytest.mark.parametrize("protocol", first(1, [HTTP1, HTTP2]))
def test_an_idle_limit_that_crosses_requests_costs_none(serve: Serve, platform: str, protocol: str) -> None:
    """Each connection is asked just when nginx ends it for being idle.

    How often the two cross in a second differs between machines: it is measured until they have crossed often enough.
    """
    pause, crossed = 0.01, 0
    with gateway(serve, platform, keepalive_timeout=f"{pause * 1000:.0f}ms") as served:
        for _ in range(10):
            tally = measured(served, protocol, rate=CONNECTIONS / pause, seconds=2)
            assert (tally.errors, tally.lost) == ({}, 0)
            crossed += tally.reconnects
            if crossed > CONNECTIONS:
                break
    assert crossed > CONNECTIONS
