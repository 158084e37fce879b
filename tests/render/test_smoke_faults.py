"""The smoke check against a real nginx that has a fault: it fails, and names the fault.

What can only be broken inside a guest is in tests/e2e.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloudinit import PATHS, GuestFile
from smoke.check import check
from smoke.plan_reader import parse_plan
from smoke.progress import Progress
from smoke.result import Result
from smoke.verdict import Verdict
from tests.render.authority import Authority, Pair
from tests.render.backends import Backends, started
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import NAME, network_of_its_own, running
from tests.render.sites import Site, rendered_case
from tests.tables import slow

NGINX = "/etc/nginx/nordgate"
LOAD = {"rate": 200, "durationSeconds": 6, "warmUpSeconds": 0.5, "connections": 32}
ANYTHING = "ALL:@SECLEVEL=0:"
CERTIFICATE = f"ssl_certificate {PATHS.certificate}; ssl_certificate_key {PATHS.key};"
HSTS = 'add_header "Strict-Transport-Security" "max-age=63072000" always;'
REQUEST_ID = 'add_header "X-Request-ID" $gateway_request_id always;'
CSP = "default-src 'none'; frame-ancestors 'none'"
POLICY = f'add_header "Content-Security-Policy" "{CSP}" always;'
OWN = 'add_header "X-Own" "yes; really" always;'
IN_ROUTE = " " * 8
EACH = {"Server": "nginx", "X-Request-ID": None, "Content-Security-Policy": CSP}
DECLARED = {
    "each": EACH,
    "routes": {"/single/": EACH | {"X-Own": "yes; really"}},
    "never": ["X-Powered-By"],
}


@dataclasses.dataclass(frozen=True)
class Fault:
    """One piece of one file replaced by another, and the line of the check that must fail for it."""

    name: str
    file: str
    before: str
    after: str
    failing: str


FAULTS = [
    Fault("TLS 1.0 on", "tls.conf", "ssl_protocols ", "ssl_protocols TLSv1 ", "oldest TLS"),
    Fault("weak ciphers", "tls.conf", "ssl_ciphers ", f"ssl_ciphers {ANYTHING}", "weak ciphers"),
    Fault("HTTP/2 off", "servers.conf", "http2 on;", "", "ALPN"),
    Fault("no sessions", "tls.conf", "ssl_session_tickets on;", "ssl_session_tickets off;", "session of TLSv1.3"),
    Fault("no HSTS", "headers.conf", HSTS, "", "Strict-Transport-Security"),
    Fault("HSTS for a day", "headers.conf", "max-age=63072000", "max-age=86400", "Strict-Transport-Security"),
    Fault("HSTS twice", "headers.conf", HSTS, HSTS * 2, "Strict-Transport-Security"),
    Fault("HSTS not on errors", "headers.conf", HSTS, HSTS.replace(" always", ""), "Strict-Transport-Security"),
    Fault("HSTS not on a route", "servers.conf", IN_ROUTE + HSTS, "", "Strict-Transport-Security"),
    Fault("HSTS twice on a route", "servers.conf", IN_ROUTE + HSTS, HSTS * 2, "Strict-Transport-Security"),
    Fault("request ID twice", "headers.conf", REQUEST_ID, REQUEST_ID * 2, "header X-Request-ID"),
    Fault("no request ID on errors", "headers.conf", REQUEST_ID, REQUEST_ID[:-8] + ";", "header X-Request-ID"),
    Fault("no policy on a route", "servers.conf", IN_ROUTE + POLICY, "", "header Content-Security-Policy"),
    Fault("another policy", "headers.conf", "frame-ancestors 'none'", "x", "header Content-Security-Policy"),
    Fault("a route's header twice", "servers.conf", OWN, OWN * 2, "header X-Own"),
    Fault("a route's header missing", "servers.conf", OWN, "", "header X-Own"),
    Fault("upstream's software", "proxy.conf", "proxy_hide_header X-Powered-By;", "", "header X-Powered-By"),
    Fault("upstream's server", "proxy.conf", "proxy_hide_header X-P", "proxy_pass_header Server; #", "header Server"),
    Fault("server twice", "headers.conf", HSTS, HSTS + "add_header Server x always;", "headers sent twice"),
    Fault("version shown", "nginx.conf", "server_tokens off;", "server_tokens on;", "version of the server"),
    Fault("any name", "servers.conf", "ssl_reject_handshake on;", CERTIFICATE, "handshake for an unknown name"),
    Fault("any host", "servers.conf", "return 444;", "return 200;", "request for an unknown host"),
    Fault("upstream gone", "upstreams.conf", "server 127.0.0.2:9001", "server 127.0.0.2:9009", "/single/"),
    Fault("health refused", "servers.conf", "return 200 '{", "return 503 '{", "/health"),
]


@contextmanager
def gateway(serve: Serve, fault: Fault | None = None, platform: str = "debian-13") -> Iterator[Backends]:
    """The rendered gateway with the fault put in, served in a network of its own."""
    documents = rendered_case("served", platform)
    files = dict(documents.files)
    servers = f"{NGINX}/servers.conf"
    # A check asks faster than the rate that this case lets one client have.
    files[servers] = GuestFile(files[servers].content.replace("limit_req zone", "# limit_req zone"))
    if fault:
        path = "/etc/nginx/nginx.conf" if fault.file == "nginx.conf" else f"{NGINX}/{fault.file}"
        text = files[path].content
        assert fault.before in text
        text = text.replace(fault.before, fault.after)
        if fault.name == "no sessions":
            text = text.replace("ssl_session_cache shared:SSL:50m;", "ssl_session_cache off;")
        if fault.name == "TLS 1.0 on":
            # At its usual level OpenSSL would still refuse it.
            text = text.replace("ssl_ciphers ", f"ssl_ciphers {ANYTHING}")
        files[path] = GuestFile(text)
    changed = dataclasses.replace(documents, files=files)
    with network_of_its_own(), started() as backends, serve(changed, platform, backends):
        yield backends


def checked(trusted: Path, **settings: Any) -> Result:
    plan = {
        "stack": "faults",
        "gateway": "gw1",
        "url": f"https://{NAME}",
        "connect": "127.0.0.1:443",
        "trust": {"caFile": str(trusted)},
        "paths": {"proxied": "/single/", "limited": "/single/"},
        "headers": DECLARED,
        "load": None,
        "vantages": [{"name": "local", "reach": "local", "realTime": True}],
    }
    return check(parse_plan(json.dumps(plan | settings), "test"), Progress(quiet=True))


def failing(result: Result) -> list[str]:
    return [line.what for _, line in result.judged if line.verdict is Verdict.FAIL]


@pytest.mark.parametrize("platform", DEBIANS)
def test_a_gateway_without_fault_passes_every_proof(serve: Serve, authority: Authority, platform: str) -> None:
    with gateway(serve, platform=platform):
        result = checked(authority.certificate)
    assert (result.problem, failing(result)) == (None, [])
    found = {line.what: line.found for line in result.lines}
    # Of health, route, TRACE, an unknown method and a body that is too large, over two protocols.
    assert found["header X-Request-ID"] == "once on 10 answers"
    assert found["header X-Own"] == "once on 4 answers"


@pytest.mark.parametrize(
    ("hidden", "verdict"), [("proxy_hide_header Strict-Transport-Security;", []), ("", ["Strict-Transport-Security"])]
)
def test_what_an_upstream_says_as_well_must_not_arrive_twice(
    serve: Serve, authority: Authority, hidden: str, verdict: list[str]
) -> None:
    fault = Fault("", "proxy.conf", "proxy_hide_header Strict-Transport-Security;", hidden, "")
    path = "/single/?say=Strict-Transport-Security:max-age=63072000"
    with gateway(serve, fault):
        result = checked(authority.certificate, paths={"proxied": path})
    assert failing(result) == verdict


def test_a_header_is_told_with_where_it_is_wrong(serve: Serve, authority: Authority) -> None:
    fault = Fault("", "headers.conf", REQUEST_ID, REQUEST_ID.replace(" always", ""), "")
    with gateway(serve, fault):
        result = checked(authority.certificate)
    (line,) = (line for line in result.lines if line.what == "header X-Request-ID")
    assert line.found == (
        "missing: TRACE /health over HTTP/1.1, FROBNICATE /single/ over HTTP/1.1, TRACE /health over HTTP/2 and 1 more"
    )


ONE_OF_EACH = list({fault.failing: fault for fault in reversed(FAULTS)}.values())


@pytest.mark.parametrize(
    "fault", [fault if fault in ONE_OF_EACH else slow(fault) for fault in FAULTS], ids=lambda fault: fault.name
)
def test_a_fault_fails_the_check_and_is_named(fault: Fault, serve: Serve, authority: Authority) -> None:
    with gateway(serve, fault):
        result = checked(authority.certificate)
    assert result.verdict is Verdict.FAIL
    assert fault.failing in failing(result), failing(result)


def test_an_expired_certificate_is_named(roots: dict[str, Path], authority: Authority, tmp_path: Path) -> None:
    expired = Pair(tmp_path / "expired.crt", tmp_path / "expired.key")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(yesterday - datetime.timedelta(days=90))
        .not_valid_after(yesterday)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    expired.certificate.write_bytes(made.public_bytes(Encoding.PEM))
    expired.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    documents = rendered_case("served", "debian-13")
    tmp_path.chmod(0o755)
    site = Site.make(roots["trixie"], tmp_path / "site", documents.files, expired)
    with (
        network_of_its_own(),
        started() as backends,
        running(site, backends, documents.config_hash, authority.certificate),
    ):
        result = checked(expired.certificate)
    assert failing(result) == ["certificate"]
    assert "it has expired on" in result.failing[0]


@pytest.mark.slow
def test_a_slow_upstream_breaks_the_budget(serve: Serve, authority: Authority) -> None:
    with gateway(serve) as backends:
        backends.delay = 0.05
        result = checked(authority.certificate, load=LOAD, budget={"p50": 40, "p99": 1000})
    assert failing(result) == ["p50"]


def test_one_failing_request_in_two_hundred_is_found(serve: Serve, authority: Authority) -> None:
    with gateway(serve) as backends:
        backends.fail_every = 200
        result = checked(authority.certificate, load=LOAD, budget={"p99": 1000})
    assert failing(result) == ["errors"]
