"""How long a client may pause: as long as its route lets the upstream, and no fixed value cuts it earlier."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent import futures

import pytest

from cloudinit import GatewaySettings
from tests.render import calls
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import NAME, Served

SHORT, LONG = 2, 3600
BELOW, ABOVE = 1.0, 3.2
"""Pauses in seconds that a route with SHORT time-outs allows, and does not."""
KINDS = ("http", "websocket", "stream")


def settings() -> GatewaySettings:
    patience = {
        "short": {"readTimeoutSeconds": SHORT, "sendTimeoutSeconds": SHORT},
        "long": {"readTimeoutSeconds": LONG},
    }
    return GatewaySettings.model_validate(
        {
            "serverNames": [NAME],
            "upstreams": {"api": {"servers": ["127.0.0.2:9001"]}, "calls": {"servers": [calls.ADDRESS]}},
            "routes": [
                *(
                    {"path": f"/{kind}/{name}/", "upstream": "api", "kind": kind, **more}
                    for kind in KINDS
                    for name, more in patience.items()
                ),
                {"path": "/calls.Service/", "upstream": "calls", "kind": "grpc", **patience["short"]},
                {"path": "/calls.Service/Talk", "upstream": "calls", "kind": "grpc", "exact": True, **patience["long"]},
                {"path": "/", "upstream": "api"},
            ],
            "concurrentClients": 500,
        }
    )


@pytest.fixture(scope="module", params=DEBIANS)
def patient(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    with calls.serving_calls(serve, settings(), request.param) as served:
        yield served


def upload(served: Served, path: str, pause: float) -> int:
    """The status of a POST whose client sends half of the body, then nothing for so long; 0 for none."""
    head = f"POST {path} HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"
    with served.tls(served.context()) as connection:
        connection.sendall(head.encode() + b"x" * 50_000)
        time.sleep(pause)
        try:
            connection.sendall(b"x" * 50_000)
            answer = connection.recv(65536)
        except OSError:
            return 0
    return int(answer.split()[1]) if answer else 0


def download(served: Served, path: str, pause: float) -> bool:
    """Whether an answer arrives whole whose client takes nothing for so long."""
    size = 16 << 20
    with served.tls(served.context()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(f"GET {path}?pad={size} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        got = len(connection.recv(1024))
        time.sleep(pause)
        try:
            while part := connection.recv(1 << 20):
                got += len(part)
        except OSError:
            return False
    return got > size


def test_a_client_may_pause_as_long_as_its_route_says(patient: Served) -> None:
    """All at once: what takes time here is waiting."""
    with futures.ThreadPoolExecutor(24) as pool:
        sending = {
            (kind, name, pause): pool.submit(upload, patient, f"/{kind}/{name}/x", pause)
            for kind in KINDS
            for name, pause in (("short", BELOW), ("short", ABOVE), ("long", ABOVE))
        }
        taking = {
            (kind, name, pause): pool.submit(download, patient, f"/{kind}/{name}/x", pause)
            for kind in ("http", "stream")
            for name, pause in (("short", BELOW), ("short", ABOVE), ("long", ABOVE))
        }
    for (kind, name, pause), sent in sending.items():
        whole = name == "long" or pause < SHORT
        assert (sent.result() == 200) is whole, (kind, name, pause, sent.result())
    for (kind, name, pause), taken in taking.items():
        assert taken.result() is (name == "long" or pause < SHORT), (kind, name, pause)


def test_a_stream_of_calls_may_pause_as_long_as_its_route_says(patient: Served) -> None:
    cases = {("Echo", BELOW): True, ("Echo", ABOVE): False, ("Talk", ABOVE): True}
    with calls.clients() as pool:
        survived = pool.submit(calls.survivors, patient.authority.read_bytes(), list(cases)).result()
    assert dict(zip(cases, survived, strict=True)) == cases


@pytest.mark.long
def test_a_stream_of_calls_may_pause_for_longer_than_half_a_minute(patient: Served) -> None:
    with calls.clients() as pool:
        assert pool.submit(calls.converse, patient.authority.read_bytes(), "Talk", 35).result()
