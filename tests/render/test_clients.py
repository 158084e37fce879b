"""Clients that people use, against the served gateway: curl, h2load and OpenSSL's own."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.render.served import NAME, Served

REQUEST = f"GET /health HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"


def run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=stdin, capture_output=True, text=True, errors="replace", timeout=60)


def curl(served: Served, *words: str, name: str = NAME) -> subprocess.CompletedProcess[str]:
    where = [word for port in (80, 443) for word in ("--resolve", f"{name}:{port}:127.0.0.1")]
    return run("curl", "--silent", "--max-time", "20", "--cacert", str(served.authority), *where, *words)


def s_client(served: Served, *words: str, request: str = REQUEST) -> subprocess.CompletedProcess[str]:
    """One connection that must verify the certificate and its name, and what OpenSSL tells of it."""
    trust = ("-CAfile", str(served.authority), "-verify_return_error", "-verify_hostname", NAME)
    target = ("-connect", "127.0.0.1:443", "-servername", NAME)
    # With a request, what ends the connection is the gateway.
    patience = ("-ign_eof",) if request else ()
    return run("openssl", "s_client", *target, *trust, *patience, *words, stdin=request)


@pytest.mark.parametrize(("words", "version"), [((), "2"), (("--http1.1",), "1.1")])
def test_curl_gets_the_protocol_that_it_asks_for(served: Served, words: tuple[str, ...], version: str) -> None:
    told = "--write-out", "%{http_version} %{http_code}", "--output", "/dev/null"
    assert curl(served, *words, *told, f"https://{NAME}/x").stdout == f"{version} 200"


def test_curl_follows_the_redirect_and_its_post_stays_a_post(served: Served) -> None:
    told = "--write-out", "\n%{num_redirects} %{url_effective}"
    answer, redirects = curl(served, "--location", "--data", "a=1", *told, f"http://{NAME}/posted").stdout.splitlines()
    assert redirects == f"1 https://{NAME}/posted"
    assert [method for _, method in served.backends.asked_for("/posted")] == ["POST"]
    assert json.loads(answer)["headers"]["Content-Length"] == "3"


@pytest.mark.parametrize(
    ("scheme", "code", "meaning"),
    [("https", 35, "the handshake was refused"), ("http", 56, "the connection was reset")],
)
def test_curl_gets_nothing_for_a_host_that_is_not_ours(served: Served, scheme: str, code: int, meaning: str) -> None:
    other = "other.example.test"
    done = curl(served, f"{scheme}://{other}/health", name=other)
    assert (done.returncode, done.stdout) == (code, ""), meaning


def test_h2load_fails_no_request(served: Served) -> None:
    load = ("--requests", "200", "--clients", "4", "--max-concurrent-streams", "10")
    bounds = ("--connection-inactivity-timeout", "10", "--connect-to", "127.0.0.1:443")
    said = run("h2load", *load, *bounds, f"https://{NAME}/single/h2load").stdout
    assert "Application protocol: h2\n" in said
    assert "200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "status codes: 200 2xx," in said
    assert len(served.backends.asked_for("/single/h2load")) == 200


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_openssl_verifies_the_certificate_over_tls(served: Served, version: str) -> None:
    done = s_client(served, f"-tls{version}", "-alpn", "h2,http/1.1", request="")
    assert done.returncode == 0, done.stderr
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "ALPN protocol: h2\n" in done.stdout
    assert f"New, TLSv{version.replace('_', '.')}, Cipher is " in done.stdout


@pytest.mark.parametrize("version", ["1", "1_1"])
def test_openssl_is_refused_with_an_old_version_that_it_would_speak(served: Served, version: str) -> None:
    done = s_client(served, f"-tls{version}", "-cipher", "ALL:@SECLEVEL=0")
    assert done.returncode != 0
    # The gateway's word: without it, the client itself would have refused.
    assert "alert protocol version" in done.stderr


def test_openssl_reconnects_with_its_session(served: Served) -> None:
    said = s_client(served, "-tls1_2", "-reconnect").stdout
    assert len(re.findall(r"^Reused, TLSv1\.2", said, re.MULTILINE)) == 5


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_a_session_kept_in_a_file_is_resumed_by_the_next_process(served: Served, version: str, tmp_path: Path) -> None:
    session = str(tmp_path / "session.pem")
    first = s_client(served, f"-tls{version}", "-sess_out", session)
    assert "\nNew, TLSv" in first.stdout
    second = s_client(served, f"-tls{version}", "-sess_in", session)
    assert f"\nReused, TLSv{version.replace('_', '.')}" in second.stdout
