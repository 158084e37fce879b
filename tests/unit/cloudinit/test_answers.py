"""What answers carry follows the settings, and a path leads to the route that nginx would choose."""

from __future__ import annotations

from typing import Any

import pytest

from cloudinit import GatewaySettings
from cloudinit.answers import answer_headers, route_of


def gateway(routes: list[dict[str, Any]], **settings: Any) -> GatewaySettings:
    whole = {"serverNames": ["api.example.test"], "upstreams": {"up": {"servers": ["10.8.0.2:80"]}}} | settings
    return GatewaySettings.model_validate(whole | {"routes": [{"upstream": "up"} | route for route in routes]})


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("/", "/"),
        ("/a/b/c", "/a/b/"),
        ("/a/x?b=/a/b/", "/a/"),
        ("/a", "/"),
        ("/exact", "/exact"),
        ("/exact?x=1", "/exact"),
        ("/exact/below", "/"),
        ("/b%C3%A9/x", "/bé/"),
    ],
)
def test_the_route_is_the_exact_one_or_the_longest_prefix(url: str, route: str) -> None:
    paths: list[dict[str, Any]] = [
        {"path": "/a/"},
        {"path": "/"},
        {"path": "/a/b/"},
        {"path": "/exact", "exact": True},
        {"path": "/bé/"},
    ]
    found = route_of(gateway(paths), url)
    assert found is not None
    assert found.path == route


def test_a_path_beside_all_routes_has_none() -> None:
    assert route_of(gateway([{"path": "/a/"}]), "/b") is None


def test_every_answer_has_the_policy_and_an_identity() -> None:
    found = answer_headers(gateway([{"path": "/"}], securityHeaders={"X-A": " a ", "X-Empty": ""}))
    assert found == {"Server": "nginx", "X-Request-ID": None, "X-A": "a"}
    assert "Alt-Svc" in answer_headers(gateway([{"path": "/"}], tls={"http3": True}))


def test_a_route_adds_its_own_and_leaves_some_to_its_upstream() -> None:
    headers = {"responseHeaders": {"X-Own": "b", "x-a": "c", "X-Empty": " "}, "upstreamHeaders": ["X-Left"]}
    found = gateway([{"path": "/"} | headers], securityHeaders={"X-A": "a", "X-Left": "d", "Vary": "e"})
    every = {"Server": "nginx", "X-Request-ID": None}
    assert answer_headers(found) == every | {"X-A": "a", "X-Left": "d"}
    assert answer_headers(found, found.routes[0]) == every | {"X-Own": "b", "x-a": "c"}
