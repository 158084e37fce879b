"""What a client finds in the head of every answer, worked out from the settings: a smoke check holds answers to it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from cloudinit.gateway import GatewaySettings
from cloudinit.routing import Route

HIDDEN_HEADERS = ("X-Powered-By",)
"""Of upstreams: what they run on is nobody's business."""


def route_of(gateway: GatewaySettings, url: str) -> Route | None:
    """The route that answers a request for `url`, a path with or without a query, as nginx chooses it."""
    path = unquote(url.partition("?")[0])
    exact = [route for route in gateway.routes if route.exact and route.path == path]
    prefixes = [route for route in gateway.routes if not route.exact and path.startswith(route.path)]
    return next(iter(exact), max(prefixes, key=lambda route: len(route.path), default=None))


def answer_headers(gateway: GatewaySettings) -> dict[str, str | None]:
    """What every answer carries besides HSTS, once each, errors included; None: with any value."""
    headers: dict[str, str | None] = {"Server": "nginx", "X-Request-ID": None, **_sent(gateway.security_headers)}
    return headers | ({"Alt-Svc": None} if gateway.tls.http3 else {})


def route_headers(route: Route) -> dict[str, str | None]:
    """What answers of the route carry besides, or instead."""
    return dict(_sent(route.response_headers))


def _sent(headers: Mapping[str, str]) -> dict[str, str]:
    """nginx sends no header that has no value; blanks around a value are not part of it."""
    return {name: value.strip() for name, value in headers.items() if value.strip()}
