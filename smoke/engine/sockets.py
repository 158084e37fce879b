"""What the load generator asks of this machine: addresses, and as many open files as it needs."""

from __future__ import annotations

import resource
import socket
from typing import Any

from smoke.engine.connection_errors import Unreachable, explain
from smoke.engine.job import Endpoint

_SPARE_FILES = 64


def resolve(endpoint: Endpoint) -> tuple[int, Any]:
    """The address family and the address of an endpoint. Raises Unreachable when its name has none."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(explain(endpoint, error)) from None
    return found[0][0], found[0][4]


def files_for(connections: int) -> int:
    """Raise this process's limit of open files for so many connections; how many of them it really allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed - _SPARE_FILES
