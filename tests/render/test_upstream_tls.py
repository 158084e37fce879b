"""TLS towards the servers behind the gateway: who cannot prove its name is sent nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cloudinit import PATHS, PLATFORMS, GatewaySettings, seed_documents
from tests.render.authority import Authority
from tests.render.backends import Backends, started_with_tls
from tests.render.conftest import Serve
from tests.render.served import GUEST, Served, network_of_its_own

BACKEND = ("127.0.0.2", 9443)
NAME = "backend.example.test"


@dataclass(frozen=True)
class Secured:
    gateway: Served
    backend: Backends
    names: list[str | None]
    """What each handshake with the backend asked for."""

    @property
    def error_log(self) -> str:
        return (self.gateway.site.folder / PATHS.log.lstrip("/") / "error.log").read_text()


def settings(trusted: Authority, stranger: Authority) -> GatewaySettings:
    """Groups of the same server, and different demands on it."""
    ours, theirs = (authority.certificate.read_text() for authority in (trusted, stranger))
    demands: dict[str, dict[str, Any]] = {
        "right": {"serverName": NAME, "caCertificate": ours},
        "other-name": {"serverName": "other.example.test", "caCertificate": ours},
        "other-authority": {"serverName": NAME, "caCertificate": theirs},
        "distribution-only": {"serverName": NAME},
    }
    server = f"{BACKEND[0]}:{BACKEND[1]}"
    return GatewaySettings.model_validate(
        {
            "serverNames": ["api.example.test"],
            "upstreams": {name: {"servers": [server], "tls": tls} for name, tls in demands.items()},
            "routes": [
                *({"path": f"/{name}/", "upstream": name} for name in demands),
                {"path": "/calls.Service/", "upstream": "other-name", "kind": "grpc"},
            ],
            "readiness": {"upstream": "right"},
            "concurrentClients": 500,
        }
    )


@pytest.fixture(scope="module", params=["debian-12", "debian-13"])
def secured(
    request: pytest.FixtureRequest, serve: Serve, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    stranger = Authority.make(tmp_path_factory.mktemp("stranger"))
    documents = seed_documents(GUEST, settings(authority, stranger), PLATFORMS[request.param])
    with (
        network_of_its_own(),
        started_with_tls(BACKEND, authority.issue(f"DNS:{NAME}")) as (backend, names),
        serve(documents, request.param, backend) as gateway,
    ):
        yield Secured(gateway, backend, names)


def test_a_server_that_proves_its_name_is_asked_by_that_name(secured: Secured) -> None:
    answer = secured.gateway.ask("/right/x")
    assert answer.status == 200
    assert json.loads(answer.body)["server"] == BACKEND[0]
    assert secured.names[-1] == NAME


@pytest.mark.parametrize(
    ("path", "name", "logged"),
    [
        ("/other-name/x", "other.example.test", "certificate does not match"),
        ("/other-authority/x", NAME, "certificate verify error"),
        ("/distribution-only/x", NAME, "certificate verify error"),
        ("/calls.Service/x", "other.example.test", "certificate does not match"),
    ],
)
def test_a_server_that_cannot_prove_its_name_is_sent_nothing(
    secured: Secured, path: str, name: str, logged: str
) -> None:
    assert secured.gateway.ask(path, method="POST", body=b"a secret").status == 502
    assert secured.names[-1] == name, "the handshake asks for the declared name"
    assert [seen for _, _, seen in secured.backend.asked if seen == path] == []
    assert [line for line in secured.error_log.splitlines() if logged in line and path in line]


def test_connections_with_tls_are_used_again(secured: Secured) -> None:
    before = len(secured.names)
    ports = {json.loads(secured.gateway.ask("/right/again").body)["port"] for _ in range(12)}
    # Each worker has its own: at most one for each.
    assert len(ports) < 12
    assert len(secured.names) - before <= len(ports)
