"""HTTP/3 where it is offered, and no trace of it where it is not."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from tests.render.backends import started
from tests.render.conftest import Serve
from tests.render.served import NAME, Answer, Served, network_of_its_own
from tests.render.sites import rendered_case


class _Client(QuicConnectionProtocol):
    """Asks once, over HTTP/3."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._http = H3Connection(self._quic)
        self._headers: dict[str, str] = {}
        self._body = b""
        self._done = asyncio.Event()

    async def ask(self, path: str) -> Answer:
        stream = self._quic.get_next_available_stream_id()
        asked = {":method": "GET", ":scheme": "https", ":authority": NAME, ":path": path}
        self._http.send_headers(stream, [(k.encode(), v.encode()) for k, v in asked.items()], end_stream=True)
        self.transmit()
        await self._done.wait()
        return Answer(int(self._headers[":status"]), self._headers, self._body)

    def quic_event_received(self, event: QuicEvent) -> None:
        for answer in self._http.handle_event(event):
            if isinstance(answer, HeadersReceived):
                self._headers = {name.decode(): value.decode() for name, value in answer.headers}
            if isinstance(answer, DataReceived):
                self._body += answer.data
            if isinstance(answer, HeadersReceived | DataReceived) and answer.stream_ended:
                self._done.set()


def ask_over_quic(served: Served, path: str, name: str = NAME) -> Answer:
    """Raises ConnectionError when no QUIC connection comes about."""
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name=name, verify_mode=ssl.CERT_REQUIRED)
    configuration.load_verify_locations(str(served.authority))

    async def conversation() -> Answer:
        async with (
            asyncio.timeout(20),
            connect("127.0.0.1", 443, configuration=configuration, create_protocol=_Client) as client,
        ):
            assert isinstance(client, _Client)
            return await client.ask(path)

    return asyncio.run(conversation())


def udp_listeners() -> str:
    return subprocess.run(["ss", "-Hlun", "sport", "=", ":443"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def offered(serve: Serve) -> Iterator[Served]:
    documents = rendered_case("http3", "debian-13")
    with network_of_its_own(), started() as backends, serve(documents, "debian-13", backends) as gateway:
        yield gateway


def test_an_http3_client_is_answered_through_an_upstream(offered: Served) -> None:
    answer = ask_over_quic(offered, "/over-quic")
    assert answer.status == 200
    assert json.loads(answer.body)["headers"]["X-Forwarded-Proto"] == "https"
    assert [method for _, method in offered.backends.asked_for("/over-quic")] == ["GET"]
    assert answer.headers["strict-transport-security"]


def test_who_comes_over_tcp_is_told_of_http3(offered: Served) -> None:
    assert offered.ask("/x").headers["alt-svc"] == 'h3=":443"; ma=86400'


def test_an_unknown_name_gets_no_certificate_over_quic_either(offered: Served) -> None:
    with pytest.raises(ConnectionError):
        ask_over_quic(offered, "/health", name="other.example.test")


@pytest.mark.usefixtures("offered")
def test_nginx_listens_on_udp_where_it_is_offered() -> None:
    assert udp_listeners()


def test_without_the_setting_nothing_is_offered_and_nothing_listens_on_udp(served: Served) -> None:
    assert "alt-svc" not in served.ask("/x").headers
    assert udp_listeners() == ""
