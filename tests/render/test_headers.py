"""What upstreams are told about a client and clients about an answer, over HTTP/1.1, HTTP/2, HTTP/3 and gRPC."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset

from cloudinit import PLATFORMS, GatewaySettings, seed_documents
from cloudinit.headers import CLAIMS, HOP_BY_HOP, OVERRIDES
from tests.render import calls
from tests.render.backends import started
from tests.render.conftest import Serve
from tests.render.served import GUEST, NAME, Served, network_of_its_own
from tests.render.test_http3 import ask_over_quic, udp_listeners

OTHER = "www.example.test"
PROXY = "127.0.0.77"
HSTS = "Strict-Transport-Security"
VERSIONS = ["--http1.1", "--http2"]
ALL_CLAIMS = [name for group in CLAIMS.values() for name in group]


@dataclass(frozen=True)
class Told:
    """What a client got: the status and each header as often as it came; and what the upstream saw, if it was asked."""

    status: int
    answer: list[tuple[str, str]]
    upstream: list[tuple[str, str]]

    def got(self, name: str) -> list[str]:
        return [value for found, value in self.answer if found == name.lower()]

    def passed(self, name: str) -> list[str]:
        return [value for found, value in self.upstream if found == name.lower()]


def settings(http3: bool, **more: Any) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "serverNames": [NAME, OTHER],
            "upstreams": {
                "api": {"servers": ["127.0.0.2:9001"]},
                "calls": {"servers": ["127.0.0.4:50051"]},
                "dead": {"servers": ["127.0.0.9:9001"]},
            },
            "routes": [
                {"path": "/", "upstream": "api"},
                {"path": "/own/", "upstream": "api", "responseHeaders": {"X-Own": "gateway", "Set-Cookie": "a=1"}},
                {
                    "path": "/left/",
                    "upstream": "api",
                    "responseHeaders": {"Cache-Control": "no-store"},
                    "upstreamHeaders": ["cache-control", "Content-Security-Policy"],
                },
                {"path": "/dead/", "upstream": "dead", "upstreamHeaders": ["Content-Security-Policy"]},
                {"path": "/socket/", "upstream": "api", "kind": "websocket"},
                {"path": "/stream/", "upstream": "api", "kind": "stream"},
                {"path": "/calls.Service/", "upstream": "calls", "kind": "grpc"},
            ],
            "securityHeaders": {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"},
            "tls": {"http3": http3},
            "gzip": "json",
            "concurrentClients": 500,
            **more,
        }
    )


@contextmanager
def gateway(serve: Serve, platform: str, **more: Any) -> Iterator[Served]:
    http3 = PLATFORMS[platform].http3_module
    documents = seed_documents(GUEST, settings(http3, **more), PLATFORMS[platform])
    with network_of_its_own(), started() as backends, serve(documents, platform, backends) as served:
        yield served


@pytest.fixture(scope="module", params=["debian-12", "debian-13"])
def open_to_all(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    with gateway(serve, request.param) as served:
        yield served


@pytest.fixture(scope="module", params=["debian-12", "debian-13"])
def behind_a_proxy(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    with gateway(serve, request.param, trustedProxies=[f"{PROXY}/32"]) as served:
        yield served


def curl(served: Served, path: str, *words: str, name: str = NAME, port: int = 443) -> Told:
    """One request. `port` is the one that the client believes in; whatever it is, it gets to the gateway."""
    command = [
        *("curl", "--silent", "--globoff", "--max-time", "20", "--cacert", str(served.authority), "--include"),
        *("--connect-to", f"::127.0.0.1:{443 if port != 80 else 80}", "--suppress-connect-headers"),
        *words,
        f"{'http' if port == 80 else 'https'}://{name}{'' if port in (80, 443) else f':{port}'}{path}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, (command, done.stderr)
    return read(done.stdout)


def read(text: str) -> Told:
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    upstream = json.loads(body)["pairs"] if body.startswith('{"server"') else []
    return Told(
        int(first.split()[1]),
        [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)],
        [(name.lower(), value) for name, value in upstream],
    )


def raw(served: Served, request: str, name: str = NAME) -> Told:
    """Whatever `request` is, over TLS with `name` as SNI."""
    context = served.context()
    context.check_hostname = False
    with served.tls(context, name) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return read(answer.decode())


def says(*headers: str) -> str:
    """A query that makes the upstream say these headers."""
    return "?" + "&".join(f"say={quote(header)}" for header in headers)


def sent(names: Sequence[str], value: str = "198.51.100.7") -> list[str]:
    return [word for name in names for word in ("--header", f"{name}: {value}")]


def twins(names: Sequence[str]) -> list[str]:
    return [name.replace("-", sign) for name in names for sign in "_." if "-" in name]


# What a client claims.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/x", "/socket/x", "/stream/x", "/own/x"])
def test_no_claim_of_a_client_reaches_an_upstream(open_to_all: Served, path: str, version: str) -> None:
    told = curl(open_to_all, path, version, *sent(ALL_CLAIMS), *sent(HOP_BY_HOP, "x"))
    assert told.status == 200
    assert {name for name, _ in told.upstream} & {name.lower() for name in (*ALL_CLAIMS, *HOP_BY_HOP)} == set()
    assert "198.51.100.7" not in str(told.upstream)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port"]
)
def test_what_the_gateway_tells_itself_is_told_once(open_to_all: Served, name: str, version: str) -> None:
    (value,) = curl(open_to_all, "/x", version, *sent([name]), *sent([name.lower()])).passed(name)
    assert "198.51.100.7" not in value


@pytest.mark.parametrize("version", VERSIONS)
def test_names_with_underscores_or_dots_are_no_way_around(open_to_all: Served, version: str) -> None:
    names = twins([*ALL_CLAIMS, "X-Forwarded-For", "X-Real-IP", "X-Forwarded-Proto", "X-Request-ID", "Content-Length"])
    told = curl(open_to_all, "/x", version, *sent(names))
    assert told.status == 200
    assert {name for name, _ in told.upstream} & {name.lower() for name in names} == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_another_method_in_a_header_is_believed_of_a_post_alone(open_to_all: Served, version: str) -> None:
    words = sent(OVERRIDES, "DELETE")
    assert [curl(open_to_all, "/x", version, *words).passed(name) for name in OVERRIDES] == [[], [], []]
    posted = curl(open_to_all, "/x", version, "--data", "a", *words)
    assert [posted.passed(name) for name in OVERRIDES] == [["DELETE"]] * 3


def test_what_connection_names_is_not_dropped_from_what_the_gateway_tells(open_to_all: Served) -> None:
    told = curl(open_to_all, "/x", "--http1.1", "--header", "Connection: X-Forwarded-For, X-Request-ID, keep-alive, TE")
    assert told.passed("X-Forwarded-For") == ["127.0.0.1"]
    assert (len(told.passed("X-Request-ID")), told.passed("Connection")) == (1, [])


@pytest.mark.parametrize("path", ["/x", "/socket/x", "/stream/x"])
def test_no_upgrade_but_to_websocket_is_passed_on(open_to_all: Served, path: str) -> None:
    h2c = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "TE: trailers",
    )
    told = curl(open_to_all, path, "--http1.1", *(word for line in h2c for word in ("--header", line)))
    assert {"connection", "upgrade", "http2-settings", "te"} & {name for name, _ in told.upstream} == set()


def test_an_upgrade_to_websocket_passes_where_the_route_says_so(open_to_all: Served) -> None:
    words = ("--http1.1", "--header", "Connection: Upgrade", "--header", "Upgrade: WebSocket")
    told = curl(open_to_all, "/socket/x", *words)
    assert (told.passed("Connection"), told.passed("Upgrade")) == (["upgrade"], ["websocket"])
    assert curl(open_to_all, "/x", *words).passed("Upgrade") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_trusted_proxys_claims_go_on_and_nobody_elses(behind_a_proxy: Served, version: str) -> None:
    words = (version, *sent(ALL_CLAIMS))
    trusted = curl(behind_a_proxy, "/x", *words, "--interface", PROXY)
    assert [name for name in ALL_CLAIMS if trusted.passed(name) != ["198.51.100.7"]] == []
    stranger = curl(behind_a_proxy, "/x", *words, "--interface", "127.0.0.78")
    assert "198.51.100.7" not in str(stranger.upstream)


def test_not_even_a_trusted_proxy_sends_on_what_is_between_two_hops(behind_a_proxy: Served) -> None:
    told = curl(behind_a_proxy, "/x", "--interface", PROXY, *sent(HOP_BY_HOP, "x"))
    assert {name for name, _ in told.upstream} & {name.lower() for name in HOP_BY_HOP} == set()


@pytest.mark.parametrize(
    ("said", "proto", "host", "port"),
    [
        ({}, "https", f"{NAME}:8443", "8443"),
        ({"Proto": "https", "Host": "public.example", "Port": "9443"}, "https", "public.example", "9443"),
        ({"Proto": "https", "Host": "public.example:9443"}, "https", "public.example:9443", "9443"),
        ({"Proto": "https", "Host": "public.example"}, "https", "public.example", "443"),
        ({"Proto": "http"}, "http", f"{NAME}:8443", "80"),
        ({"Port": "443;x"}, "https", f"{NAME}:8443", "8443"),
    ],
)
def test_a_trusted_proxy_says_where_the_client_went(
    behind_a_proxy: Served, said: dict[str, str], proto: str, host: str, port: str
) -> None:
    words = [word for name, value in said.items() for word in ("--header", f"X-Forwarded-{name}: {value}")]
    told = curl(behind_a_proxy, "/x", *words, "--interface", PROXY, port=8443)
    found = [told.passed(f"X-Forwarded-{name}") for name in ("Proto", "Host", "Port")]
    assert found == [[proto], [host], [port]]
    assert told.passed("Host") == [f"{NAME}:8443"], "what was asked of the gateway stays what it was"


def test_a_redirect_does_not_come_back_for_ever_behind_a_proxy_that_speaks_tls(behind_a_proxy: Served) -> None:
    words = ("--header", "X-Forwarded-Proto: https")
    assert curl(behind_a_proxy, "/x", *words, "--interface", PROXY, port=80).status == 421
    assert curl(behind_a_proxy, "/x", *words, "--interface", "127.0.0.78", port=80).status == 308
    assert curl(behind_a_proxy, "/x", "--interface", PROXY, port=80).status == 308


# Where the client went.


def origin(told: Told) -> list[list[str]]:
    return [told.passed(name) for name in ("Host", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("port", "host"), [(443, NAME), (8443, f"{NAME}:8443")])
def test_the_port_that_a_client_asks_at_is_told(open_to_all: Served, port: int, host: str, version: str) -> None:
    told = curl(open_to_all, "/x", version, port=port)
    assert origin(told) == [[host], [host], [str(port)], ["https"]]


@pytest.mark.parametrize(
    ("target", "host", "told"),
    [
        ("/x", f"{NAME.upper()}:8443", f"{NAME}:8443"),
        ("/x", f"{NAME}.:8443", f"{NAME}:8443"),
        ("/x", f"{OTHER}:8443", f"{OTHER}:8443"),
        (f"https://{NAME}:8443/x", f"{NAME}:8443", f"{NAME}:8443"),
        # A whole URL counts more than the Host header, whatever that says.
        (f"https://{NAME}:8443/x", "evil.example:9", f"{NAME}:8443"),
        (f"https://{NAME}/x", "evil.example:9", NAME),
        (f"https://{NAME}/x", f"{NAME}:9", NAME),
        # What is no port is no port.
        ("/x", f"{NAME}:0", NAME),
        ("/x", f"{NAME}:", NAME),
    ],
)
def test_only_a_declared_name_and_its_port_are_told(open_to_all: Served, target: str, host: str, told: str) -> None:
    found = raw(open_to_all, f"GET {target} HTTP/1.1\nHost: {host}\nConnection: close\n\n")
    port = told.partition(":")[2] or "443"
    assert origin(found) == [[told], [told], [port], ["https"]]


@pytest.mark.parametrize("host", [f"{NAME}:x", f"{NAME}:8443:1", f"{NAME}:8443@evil.example", f"{NAME}:8443/evil"])
def test_what_is_no_host_and_port_is_never_told(open_to_all: Served, host: str) -> None:
    found = raw(open_to_all, f"GET /x HTTP/1.1\nHost: {host}\nConnection: close\n\n")
    assert found.status == 400 or origin(found)[:2] == [[NAME], [NAME]]


def over_http2(served: Served, *headers: tuple[str, str]) -> Told:
    """One request of exactly these headers; status 0 where the gateway resets the stream or the connection."""
    context = served.context()
    context.set_alpn_protocols(["h2"])
    client = H2Connection(H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False))
    status, answer, body = 0, list[tuple[str, str]](), b""
    with served.tls(context) as connection:
        client.initiate_connection()
        client.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":path", "/x"), *headers], end_stream=True)
        connection.sendall(client.data_to_send())
        while part := connection.recv(65536):
            for event in client.receive_data(part):
                if isinstance(event, ResponseReceived):
                    answer = [(name.decode(), value.decode()) for name, value in event.headers or []]
                    status = int(dict(answer)[":status"])
                if isinstance(event, DataReceived):
                    body += event.data or b""
                if isinstance(event, StreamEnded | StreamReset | ConnectionTerminated):
                    return Told(
                        status,
                        answer,
                        [(name.lower(), value) for name, value in json.loads(body)["pairs"]] if status == 200 else [],
                    )
    return Told(status, answer, [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(":authority", f"{NAME}:8443")], 200),
        ([("host", f"{NAME}:8443")], 200),
        ([(":authority", f"{NAME}:8443"), ("host", "evil.example:9")], 400),
        ([(":authority", "evil.example:9"), ("host", f"{NAME}:8443")], 400),
        ([("host", f"{NAME}:8443"), ("host", "evil.example:9")], 400),
    ],
)
def test_one_host_in_http2_is_told_and_two_are_refused(
    open_to_all: Served, headers: list[tuple[str, str]], status: int
) -> None:
    found = over_http2(open_to_all, *headers)
    assert found.status == status
    assert found.passed("Host") == ([f"{NAME}:8443"] if status == 200 else [])


def test_another_declared_name_than_that_of_the_handshake_is_told_as_asked(open_to_all: Served) -> None:
    found = raw(open_to_all, f"GET /x HTTP/1.1\nHost: {OTHER}:8443\nConnection: close\n\n", name=NAME)
    assert origin(found)[0] == [f"{OTHER}:8443"]


def test_without_a_host_there_is_no_answer(open_to_all: Served) -> None:
    with open_to_all.tls(open_to_all.context()) as connection:
        connection.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        assert connection.recv(1) == b""


def test_a_port_in_http3_is_left_out_rather_than_made_up(open_to_all: Served) -> None:
    if not udp_listeners():
        return
    told = json.loads(ask_over_quic(open_to_all, "/x").body)["headers"]
    assert (told["Host"], told["X-Forwarded-Host"], told["X-Forwarded-Port"]) == (NAME, NAME, "443")


@pytest.mark.parametrize("platform", ["debian-12", "debian-13"])
def test_a_redirect_leads_to_the_port_that_the_client_can_reach(serve: Serve, platform: str) -> None:
    """80 and 443 forwarded to 8080 and 8443, by a proxy that says so or by one that nobody hears of."""
    listeners = {"http": 8080, "https": 8443}
    documents = seed_documents(
        GUEST, settings(False, listeners=listeners, trustedProxies=[f"{PROXY}/32"]), PLATFORMS[platform]
    )
    cases = [
        (f"{NAME}:8080", "127.0.0.1", "8080", f"https://{NAME}:8443/x"),
        (NAME, "127.0.0.1", "8080", f"https://{NAME}/x"),
        (f"{NAME}:8080", PROXY, "80", f"https://{NAME}/x"),
        # Said by somebody whom nobody trusts.
        (f"{NAME}:8080", "127.0.0.1", "80", f"https://{NAME}:8443/x"),
    ]
    with network_of_its_own(), started() as backends, serve(documents, platform, backends, 8443):
        for host, source, port, location in cases:
            client = http.client.HTTPConnection("127.0.0.1", 8080, timeout=10, source_address=(source, 0))
            client.request("GET", "/x", headers={"Host": host, "X-Forwarded-Port": port})
            assert client.getresponse().headers["Location"] == location
            client.close()


# What arrives once.

SINGLE = [HSTS, "X-Request-ID", "Content-Security-Policy", "X-Content-Type-Options"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/x", "/own/x", "/socket/x", "/stream/x", "/ready"])
def test_the_gateways_headers_arrive_once_whatever_the_upstream_says(
    open_to_all: Served, path: str, version: str
) -> None:
    said = [f"{name.upper()}:upstream" for name in SINGLE] * 2
    told = curl(open_to_all, path + says(*said, "Alt-Svc:h3=9443", "x-own:upstream"), version)
    assert told.status == 200
    assert [name for name in (*SINGLE, "Server", "Date") if len(told.got(name)) != 1] == []
    assert "upstream" not in str(told.answer if path.startswith("/own") else [told.got(name) for name in SINGLE])
    assert (told.got("Server"), told.got(HSTS)) == (["nginx"], ["max-age=63072000"])
    assert "9443" not in str(told.got("Alt-Svc"))


@pytest.mark.parametrize(
    ("path", "words", "status"),
    [
        ("/dead/x", (), 502),
        ("/x", ("--request", "FROB"), 405),
        ("/health", (), 200),
    ],
)
def test_they_arrive_once_on_the_gateways_own_answers(
    open_to_all: Served, path: str, words: tuple[str, ...], status: int
) -> None:
    told = curl(open_to_all, path, "--header", "Expect:", *words)
    assert told.status == status
    assert [name for name in (*SINGLE, "Server", "Date") if len(told.got(name)) != 1] == []


def test_a_routes_header_takes_the_place_of_the_upstreams_and_cookies_do_not(open_to_all: Served) -> None:
    told = curl(open_to_all, "/own/x" + says("x-OWN:upstream", "Set-Cookie:b=2", "X-Other:upstream"))
    assert told.got("X-Own") == ["gateway"]
    assert sorted(told.got("Set-Cookie")) == ["a=1", "b=2"]
    assert told.got("X-Other") == ["upstream"]


def test_what_a_route_leaves_to_its_upstream_is_the_upstreams_or_else_the_gateways(open_to_all: Served) -> None:
    told = curl(open_to_all, "/left/x" + says("content-security-policy:sandbox", f"{HSTS}:upstream"))
    assert (told.got("Content-Security-Policy"), told.got("Cache-Control")) == (["sandbox"], ["no-store"])
    assert (told.got(HSTS), told.got("X-Content-Type-Options")) == (["max-age=63072000"], ["nosniff"])
    told = curl(open_to_all, "/left/x" + says("Cache-Control:max-age=1"))
    assert (told.got("Content-Security-Policy"), told.got("Cache-Control")) == (["default-src 'none'"], ["max-age=1"])


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ((), ["Accept-Encoding"]),
        (("Vary:Origin",), ["Accept-Encoding", "Origin"]),
        (("Vary:accept-encoding",), ["accept-encoding"]),
        (("Vary:Origin, Accept-Encoding",), ["Origin, Accept-Encoding"]),
        (("Vary:*",), ["*"]),
    ],
)
def test_vary_says_once_that_answers_are_compressed(
    open_to_all: Served, said: tuple[str, ...], wanted: list[str]
) -> None:
    for words in ((), ("--header", "Accept-Encoding: gzip")):
        told = curl(open_to_all, "/x" + says("Content-Type:application/json", *said), "--compressed", *words)
        assert sorted(told.got("Vary")) == wanted
    assert curl(open_to_all, "/x" + says("Content-Type:text/plain")).got("Vary") == []


# The same over gRPC.


def test_grpc_tells_and_hides_the_same(open_to_all: Served) -> None:
    seen: list[dict[str, list[str]]] = []

    def answer(request: bytes, context: Any) -> bytes:
        told: dict[str, list[str]] = {}
        for name, value in context.invocation_metadata():
            told.setdefault(name, []).append(value)
        seen.append(told)
        context.send_initial_metadata([(name.lower(), "upstream") for name in (*SINGLE, "Alt-Svc", "X-Other")])
        return request[::-1]

    claims = [(name.lower(), "198.51.100.7") for name in (*ALL_CLAIMS, *twins(ALL_CLAIMS), "Proxy")]
    some = [claims[:40], claims[40:80], claims[80:120], claims[120:]]
    with calls.echoing(answer), calls.clients() as pool:
        trust = open_to_all.authority.read_bytes()
        *_, done = pool.submit(calls.reverse, trust, f"{NAME}:8443", some).result()
    told = [(name.lower(), value) for name, value in done]
    assert [name for name in SINGLE if len([1 for found, _ in told if found == name.lower()]) != 1] == []
    assert [name for name, value in told if value == "upstream"] == ["x-other"]
    assert len(seen) == 4
    assert "198.51.100.7" not in str(seen)
    for name, value in (("x-forwarded-host", f"{NAME}:8443"), ("x-forwarded-port", "8443"), ("x-real-ip", "127.0.0.1")):
        assert [told[name] for told in seen] == [[value]] * 4
