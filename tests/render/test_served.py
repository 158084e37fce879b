"""What clients and upstreams see of the rendered gateway, served by each Debian's own nginx on loopback."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.request
import warnings
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from tests.render.served import NAME, Served

V = ssl.TLSVersion


@pytest.mark.parametrize(
    ("version", "accepted"), [(V.TLSv1, False), (V.TLSv1_1, False), (V.TLSv1_2, True), (V.TLSv1_3, True)]
)
def test_only_tls_1_2_and_1_3_are_spoken(served: Served, version: V, accepted: bool) -> None:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context = served.context(minimum_version=version, maximum_version=version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    if accepted:
        assert served.tls(context).version() == {V.TLSv1_2: "TLSv1.2", V.TLSv1_3: "TLSv1.3"}[version]
    else:
        with pytest.raises(ssl.SSLError):
            served.tls(context)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"])
def test_old_ciphers_are_refused(served: Served, cipher: str) -> None:
    context = served.context(maximum_version=V.TLSv1_2)
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        served.tls(context)


def test_alpn_offers_http_2(served: Served) -> None:
    context = served.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert served.tls(context).selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3])
def test_a_session_is_resumed(served: Served, version: V) -> None:
    context = served.context(minimum_version=version, maximum_version=version)
    first = served.tls(context)
    first.sendall(f"GET /health HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
    while first.recv(4096):
        pass
    assert served.tls(context, session=first.session).session_reused


def test_a_name_that_is_not_ours_gets_no_certificate(served: Served) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        served.tls(served.context(), name="other.example.test")


def test_a_known_certificate_does_not_open_another_host(served: Served) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        served.ask("/health", Host="other.example.test")


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/x", 200), ("/half/x", 200)])
def test_every_answer_has_the_security_headers(served: Served, path: str, status: int) -> None:
    answer = served.ask(path)
    assert answer.status == status
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["server"] == "nginx"
    assert "x-powered-by" not in answer.headers


def test_a_location_with_its_own_header_keeps_the_others(served: Served) -> None:
    headers = served.ask("/single/x").headers
    assert headers["x-own"] == "yes; really"
    assert headers["strict-transport-security"]


def test_error_pages_tell_no_version(served: Served) -> None:
    answer = served.ask("/x", method="TRACE")
    assert answer.status == 405
    assert b"nginx/" not in answer.body
    assert answer.headers["server"] == "nginx"


def test_a_method_that_nginx_cannot_judge_is_refused(served: Served) -> None:
    assert served.ask("/x", method="FROBNICATE").status == 405
    assert not served.backends.asked_for("FROBNICATE")


@pytest.mark.usefixtures("served")
def test_plain_http_is_sent_to_https_with_its_method() -> None:
    client = http.client.HTTPConnection("127.0.0.1", timeout=10)
    client.request("POST", "/x?y=1", b"", {"Host": NAME})
    response = client.getresponse()
    assert (response.status, response.headers["Location"]) == (308, f"https://{NAME}/x?y=1")


@pytest.mark.usefixtures("served")
def test_plain_http_for_another_name_is_not_answered() -> None:
    client = http.client.HTTPConnection("127.0.0.1", timeout=10)
    client.request("GET", "/", headers={"Host": "other.example.test"})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        client.getresponse()


def test_two_requests_use_one_upstream_connection(served: Served) -> None:
    # Each worker has its own connections: among more requests than workers, two meet the same one.
    ports = [json.loads(served.ask("/single/keepalive").body)["port"] for _ in range(12)]
    assert len(set(ports)) < len(ports)


def test_what_a_client_says_about_itself_is_not_believed(served: Served) -> None:
    answer = served.ask("/x", X_Forwarded_For="1.2.3.4", X_Real_IP="1.2.3.4", X_Request_ID="forged")
    seen = json.loads(answer.body)["headers"]
    assert (seen["X-Forwarded-For"], seen["X-Real-IP"], seen["X-Forwarded-Proto"]) == (
        "127.0.0.1",
        "127.0.0.1",
        "https",
    )
    assert seen["X-Request-ID"] == answer.headers["x-request-id"] != "forged"


def test_a_dead_upstream_fails_no_idempotent_request(served: Served) -> None:
    assert {served.ask("/half/x").status for _ in range(20)} == {200}


def test_a_post_is_never_sent_twice(served: Served) -> None:
    assert served.ask("/fragile/post", method="POST", body=b"order").status == 502
    assert [method for _, method in served.backends.asked_for("/fragile/post")] == ["POST"]


def test_a_get_is_tried_on_another_server(served: Served) -> None:
    assert served.ask("/fragile/get").status == 502
    assert sorted(address for address, _ in served.backends.asked_for("/fragile/get")) == ["127.0.0.2", "127.0.0.3"]


def test_health_needs_no_upstream_and_ready_does(served: Served) -> None:
    before = len(served.backends.asked)
    assert served.ask("/health").body == b'{"status":"ok"}\n'
    assert len(served.backends.asked) == before
    assert served.ask("/ready").status == 200
    assert [method for _, method in served.backends.asked_for("/health")][-1] == "GET"


def test_a_websocket_echoes(served: Served) -> None:
    connection = served.tls(served.context())
    connection.sendall(
        f"GET /socket HTTP/1.1\r\nHost: {NAME}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    connection.sendall(b"\x81\x05hello")
    assert connection.recv(4096) == b"\x81\x05hello"


def test_a_grpc_call_passes_through(served: Served) -> None:
    def reverse(request: bytes, _: Any) -> bytes:
        return request[::-1]

    server = grpc.server(futures.ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(reverse)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("calls.Service", {"Reverse": method}),))
    server.add_insecure_port("127.0.0.4:50051")
    server.start()
    try:
        trust = grpc.ssl_channel_credentials(served.authority.read_bytes())
        options = [("grpc.ssl_target_name_override", NAME), ("grpc.enable_http_proxy", 0)]
        with grpc.secure_channel("127.0.0.1:443", trust, options) as channel:
            assert channel.unary_unary("/calls.Service/Reverse")(b"hello", timeout=10) == b"olleh"
    finally:
        server.stop(None).wait(5)


def test_the_running_workers_tell_their_configuration(served: Served) -> None:
    with urllib.request.urlopen("http://127.0.0.1:8081/config-hash", timeout=10) as answer:
        assert answer.read().decode().strip() == served.config_hash
    with urllib.request.urlopen("http://127.0.0.1:8081/status", timeout=10) as answer:
        assert answer.read().startswith(b"Active connections:")
    assert json.loads(served.ask("/status").body)["server"], "on the public side /status is a path like any other"


def test_the_access_log_is_json_with_upstream_timings(served: Served) -> None:
    served.ask('/logged?"quoted"')
    log = served.site.folder / "srv/nordgate/log/access.json"
    deadline = time.monotonic() + 10
    while not (lines := [line for line in log.read_text().splitlines() if "/logged" in line]):
        assert time.monotonic() < deadline, "the line was not written within ten seconds"
        time.sleep(0.1)
    entry = json.loads(lines[0])
    assert (entry["status"], entry["upstream_status"], entry["uri"]) == ("200", "200", '/logged?"quoted"')
    assert float(entry["upstream_connect"]) < 1
    assert entry["tls"].startswith("TLSv1.")


def test_too_many_requests_are_answered_with_429(served: Served) -> None:
    """Last: it uses up what the client may ask for."""
    connection = http.client.HTTPSConnection("127.0.0.1", context=served.context(), timeout=10)
    connection.sock = served.tls(served.context())
    statuses = []
    for _ in range(2000):
        connection.request("GET", "/single/burst", headers={"Host": NAME})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        if statuses[-1] == 429:
            break
    assert set(statuses) == {200, 429}
    assert "strict-transport-security" in response.headers
