"""Which location of the rendered nginx answers a request: known before there is an nginx to ask."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from urllib.parse import unquote

from cloudinit.routing import Route

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
"""What a server of gRPC can be asked without knowing its services: github.com/grpc/grpc, doc/health-checking.md."""

OWN_PATHS = ("/health", "/ready")
"""Answered by the gateway itself, whatever the routes are."""


def answering(path: str, routes: Sequence[Route]) -> Route | str:
    """The route that nginx chooses for a request target, or in words what it answers itself.

    An exact location wins, then the redirect to a location's own slash, then the longest prefix.
    """
    uri = _normalised(path)
    if uri is None:
        return "is refused by nginx with 400"
    if uri in OWN_PATHS:
        return "is answered by the gateway itself"
    exact = [route for route in routes if route.exact and route.path == uri]
    if exact:
        return exact[0]
    if f"{uri}/" in [route.path for route in routes]:
        return f'is redirected to "{uri}/"'
    prefixes = [route for route in routes if not route.exact and uri.startswith(route.path)]
    return max(prefixes, key=lambda route: len(route.path), default="has no route, and is answered with 404")


def _normalised(target: str) -> str | None:
    """The path that locations are compared with: decoded, without query, doubled slashes and dots."""
    raw = re.split(r"[?#]", target, maxsplit=1)[0]
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", raw):
        return None
    uri = re.sub(r"/+", "/", unquote(raw, errors="surrogateescape"))
    depth = 0
    for part in uri.split("/")[1:]:
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return None
    ends_open = uri.endswith(("/", "/.", "/.."))
    plain = posixpath.normpath(uri)
    return plain + "/" if ends_open and plain != "/" else plain
