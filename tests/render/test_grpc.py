"""A gateway with nothing but gRPC behind it: /ready and the smoke check, through real nginx, ask a real server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from cloudinit import PLATFORMS, GatewaySettings, seed_documents
from smoke.check import check
from smoke.engine.job import HEALTH_CHECK
from smoke.plan_reader import parse_plan
from smoke.progress import Progress
from smoke.result import Result
from smoke.verdict import Verdict
from tests.render.backends import started
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import GUEST, NAME, Served, network_of_its_own

SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
"""HealthCheckResponse of github.com/grpc/grpc, doc/health-checking.md."""


@pytest.fixture(scope="module", params=DEBIANS)
def nginx(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    gateway = GatewaySettings.model_validate(
        {
            "serverNames": [NAME],
            "upstreams": {"calls": {"servers": ["127.0.0.4:50051", "127.0.0.9:50051"]}},
            "routes": [{"path": "/", "upstream": "calls", "kind": "grpc"}],
        }
    )
    documents = seed_documents(GUEST, gateway, PLATFORMS[request.param])
    with network_of_its_own(), started() as backends, serve(documents, request.param, backends) as served:
        yield served


@contextmanager
def server(health: bytes | grpc.StatusCode | None) -> Iterator[None]:
    """A server of gRPC that answers so about its health; None: it has no such service."""

    def answer(_: bytes, context: Any) -> bytes:
        if isinstance(health, grpc.StatusCode):
            context.abort(health, "as told")
        return health or b""

    # Called with a message or, as /ready does it, without one.
    def unavailable(_: Any, context: Any) -> Iterator[bytes]:
        context.abort(health, "as told")
        yield b""

    running = grpc.server(futures.ThreadPoolExecutor(4))
    if health is not None:
        method = (
            grpc.stream_stream_rpc_method_handler(unavailable)
            if isinstance(health, grpc.StatusCode)
            else grpc.unary_unary_rpc_method_handler(answer)
        )
        handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})
        running.add_generic_rpc_handlers((handler,))
    running.add_insecure_port("127.0.0.4:50051")
    running.start()
    try:
        yield
    finally:
        running.stop(None).wait(5)


@pytest.mark.parametrize(
    ("health", "status"),
    [(SERVING, 200), (NOT_SERVING, 200), (None, 200), (grpc.StatusCode.UNAVAILABLE, 503)],
    ids=["serving", "not serving", "no health service", "a proxy without a server"],
)
def test_ready_while_a_server_answers(nginx: Served, health: Any, status: int) -> None:
    with server(health):
        answers = [nginx.ask("/ready"), nginx.ask("/ready?x=1", method="POST", body=b"anything"), nginx.ask("/ready")]
    assert {answer.status for answer in answers} == {status}
    assert answers[0].headers["strict-transport-security"]


def test_not_ready_without_a_server(nginx: Served) -> None:
    answer = nginx.ask("/ready")
    assert (answer.status, answer.body) == (503, b'{"status":"no answer from calls"}\n')
    with server(SERVING):
        assert nginx.ask("/ready").status == 200
    assert nginx.ask("/ready").status == 503


def test_the_way_to_the_group_is_open_to_nobody(nginx: Served) -> None:
    """The status listener is what it was."""
    with urllib.request.urlopen("http://127.0.0.1:8081/config-hash", timeout=10) as answer:
        assert answer.read().decode().strip() == nginx.config_hash


def checked(nginx: Served, **settings: Any) -> Result:
    plan = {
        "stack": "grpc",
        "gateway": "gw1",
        "url": f"https://{NAME}",
        "connect": "127.0.0.1:443",
        "trust": {"caFile": str(nginx.authority)},
        "paths": {"proxied": HEALTH_CHECK},
        "load": {"rate": 50, "durationSeconds": 1, "warmUpSeconds": 0.2, "protocols": ["h2"]},
        "budget": {"p50": 1000},
    }
    return check(parse_plan(json.dumps(plan | settings), "test"), Progress(quiet=True))


def test_the_smoke_check_passes_a_gateway_that_speaks_nothing_but_grpc(nginx: Served) -> None:
    with server(SERVING):
        result = checked(nginx, load={"rate": 50, "durationSeconds": 1, "protocols": ["http/1.1", "h2"]})
    assert (result.problem, result.failing) == (None, [])
    (series,) = result.series
    assert (series.protocol, series.rounds.sent, series.rounds.errors) == ("h2", 50, {})


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (NOT_SERVING, "200, NOT_SERVING"),
        (b"\x08\x03", "200, SERVICE_UNKNOWN"),
        (b"", "200, UNKNOWN"),
        (b"something else", "200, no health"),
        (None, "200, grpc-status 12"),
        (grpc.StatusCode.UNAVAILABLE, "200, grpc-status 14"),
    ],
)
def test_the_smoke_check_fails_a_group_that_is_not_serving_and_says_what_it_is(
    nginx: Served, health: Any, said: str
) -> None:
    with server(health):
        result = checked(nginx)
    assert result.verdict is Verdict.FAIL
    assert result.failing == [f"{HEALTH_CHECK} is {said}, wanted 200 from an upstream"]


def test_the_smoke_check_fails_without_a_server(nginx: Served) -> None:
    assert checked(nginx).failing == [f"{HEALTH_CHECK} is 502, nginx's own page, wanted 200 from an upstream"]
