"""What answers carry follows the settings."""

from __future__ import annotations

from typing import Any

from cloudinit import GatewaySettings
from cloudinit.answers import answer_headers


def gateway(routes: list[dict[str, Any]], **settings: Any) -> GatewaySettings:
    whole = {"serverNames": ["api.example.test"], "upstreams": {"up": {"servers": ["10.8.0.2:80"]}}} | settings
    return GatewaySettings.model_validate(whole | {"routes": [{"upstream": "up"} | route for route in routes]})


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
