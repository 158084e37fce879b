"""Where a request goes is known without nginx: what `answering` says is what each Debian's own nginx does."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from cloudinit import PLATFORMS, GatewaySettings, SeedDocuments, seed_documents
from cloudinit.locations import answering
from cloudinit.routing import Route
from tests.render.backends import started
from tests.render.conftest import Serve
from tests.render.served import GUEST, NAME, Served, network_of_its_own

ROUTES = ("/api/", "/api/v1/", "= /api/v1/login", "= /exact/", "/slash/", "= /slash", "/på/", "/health/")
TARGETS = [
    *("/", "/x", "/api", "/api/", "/api/x", "/apix", "/api/v1", "/api/v1/", "/api/v1/x?y=/exact/", "/api/v1/login"),
    *("/api/v1/login/", "/api/v1/login?x=1", "/exact", "/exact/", "/exact/x", "/slash", "/slash/", "/slash/x"),
    *("/health", "/health/", "/health/x", "/healthz", "/ready", "/ready/", "/status", "/%68ealth", "/x/../health"),
    *("//api//x", "/api/./x", "/api/v1/../x", "/api/v1/..", "/api/v1/.", "/%61pi/x", "/api%2Fx", "/api%2fv1%2Flogin"),
    *("/..", "/x/../..", "/%2e%2e/x", "/api/%2e%2e/exact/", "/api/%zz", "/api/%00", "/api/%", "/p%C3%A5/x", "/p%C3%A5"),
    *("/api/x#y", "/api?#/../..", "/api/..x", "/api/...", "/api%3Fx/", "/API/x", "/.", "/./api/x"),
]


def gateway_with(**settings: Any) -> GatewaySettings:
    routes = [
        {"path": path.removeprefix("= "), "exact": path.startswith("= "), "upstream": "api"}
        | {"responseHeaders": {"X-Route": path if path.isascii() else "in UTF-8"}}
        for path in ROUTES
    ]
    upstreams = {"api": {"servers": ["127.0.0.2:9001"]}}
    return GatewaySettings.model_validate({"serverNames": [NAME], "upstreams": upstreams, "routes": routes} | settings)


def documents_of(gateway: GatewaySettings, platform: str) -> SeedDocuments:
    return seed_documents(GUEST, gateway, PLATFORMS[platform])


@pytest.fixture(scope="module")
def gateway() -> GatewaySettings:
    return gateway_with()


@pytest.fixture(scope="module", params=["debian-12", "debian-13"])
def nginx(request: pytest.FixtureRequest, gateway: GatewaySettings, serve: Serve) -> Iterator[Served]:
    documents = documents_of(gateway, request.param)
    with network_of_its_own(), started() as backends, serve(documents, request.param, backends) as served:
        yield served


def answered(served: Served, target: str, context: ssl.SSLContext) -> str:
    """Which route answered, by the header that each of them adds; otherwise the status."""
    with served.tls(context) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        route = response.headers.get("X-Route")
        return str(response.status) if response.status == 301 or route is None else route


def expected(gateway: GatewaySettings, target: str) -> str:
    found = answering(target, gateway.routes)
    if isinstance(found, Route):
        return found.response_headers["X-Route"]
    words = {"redirected": "301", "404": "404", "400": "400", "gateway itself": "200"}
    return next(status for word, status in words.items() if word in found)


def test_a_request_goes_where_it_was_said_to(nginx: Served, gateway: GatewaySettings) -> None:
    context = nginx.context()
    assert {target: answered(nginx, target, context) for target in TARGETS} == {
        target: expected(gateway, target) for target in TARGETS
    }


@pytest.mark.parametrize(("burst", "statuses"), [(20, {200}), (19, {200, 429}), (0, {200, 429})])
def test_a_burst_of_twenty_is_what_the_check_needs(burst: int, statuses: set[int], serve: Serve) -> None:
    """One request, and twenty in a row: nginx has answered one of them with 429 where the rules refuse the limit."""
    limited = gateway_with(rateLimit={"requestsPerSecond": 1, "burst": burst})
    with (
        network_of_its_own(),
        started() as backends,
        serve(documents_of(limited, "debian-13"), "debian-13", backends) as served,
    ):
        client = http.client.HTTPSConnection("127.0.0.1", context=served.context(), timeout=10)
        client.sock = served.tls(served.context())
        found = set()
        for _ in range(21):
            client.request("GET", "/api/x", headers={"Host": NAME})
            response = client.getresponse()
            response.read()
            found.add(response.status)
        client.close()
    assert found == statuses
