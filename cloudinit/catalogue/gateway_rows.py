"""Rows about limits and nginx whose value is the default of a setting: read from the settings, never typed twice."""

from __future__ import annotations

from cloudinit.catalogue.row import Area, Disposition, Row
from cloudinit.field_types import SettingsModel
from cloudinit.gateway_settings import GatewaySettings, LogSettings, TlsSettings
from cloudinit.kernel_settings import KernelSettings
from cloudinit.platforms import HTTP2_DIRECTIVE, PLATFORMS, ROTATED_TICKET_KEYS
from cloudinit.routing import Health, UpstreamGroup

_SET, _OPTION = Disposition.SET, Disposition.OPTION


def _default(settings: type[SettingsModel], field: str) -> str:
    return str(settings.model_fields[field].default)


def _limits(item: str, disposition: Disposition, value: str, **more: object) -> Row:
    return Row(area=Area.LIMITS, item=item, disposition=disposition, value=value, **more)  # type: ignore[arg-type]


def _nginx(item: str, disposition: Disposition, value: str, **more: object) -> Row:
    return Row(area=Area.NGINX, item=item, disposition=disposition, value=value, **more)  # type: ignore[arg-type]


_NOFILE = _default(GatewaySettings, "limit_nofile")
_GROUP = {name: _default(UpstreamGroup, name) for name in UpstreamGroup.model_fields}
_HEALTH = {name: _default(Health, name) for name in Health.model_fields}
_LOG = {name: _default(LogSettings, name) for name in LogSettings.model_fields}
_TLS = {name: _default(TlsSettings, name) for name in TlsSettings.model_fields}

_HTTP3 = ", ".join(platform.title for platform in PLATFORMS.values() if platform.http3_module)

LIMITS: tuple[Row, ...] = (
    _limits(
        "open files",
        _SET,
        f"limits.d and LimitNOFILE={_NOFILE}",
        says="limits.conf `* soft/hard nofile 1048576` (A20a)",
        sources=("A20a",),
        why="limits.conf is PAM-only and never reaches a service: the unit has a limit of its own",
    ),
    _limits(
        "worker_rlimit_nofile",
        Disposition.FLOOR,
        "100000, and twice worker_connections",
        says="100000 (A14)",
        sources=("A14",),
        why="each proxied request holds two files",
    ),
)

NGINX: tuple[Row, ...] = (
    _nginx(
        "worker_processes, use epoll, multi_accept",
        _OPTION,
        "multi_accept off",
        says="on (A14)",
        sources=("A14",),
        why="little to gain with kept-alive clients; what a benchmark says decides",
    ),
    _nginx(
        "worker_connections",
        Disposition.FLOOR,
        f"4096; twice the {_default(GatewaySettings, 'concurrent_clients')} declared clients",
        says="4096 (A14)",
        sources=("A14",),
        why="every client and its upstream connection, should one worker get them all",
    ),
    _nginx(
        "listen backlog",
        _SET,
        str(KernelSettings().backlog),
        why="nginx listens with 511 otherwise, whatever somaxconn is",
    ),
    _nginx(
        "upstream keepalive",
        _SET,
        f"{_GROUP['keepalive']} a worker, {_GROUP['keepalive_requests']} requests, "
        f"{_GROUP['keepalive_timeout_seconds']}s",
        says="64 per worker (all); a pool of 60 (A20b)",
        sources=("A14", "A16", "A18", "A20a", "A20b"),
        why="no connection and no handshake for each request; the time-out must stay below the backend's",
    ),
    _nginx(
        "two or more upstreams, failover",
        _SET,
        f"{_GROUP['tries']} tries within {_GROUP['retry_timeout_seconds']}s",
        says="2 servers (A16)",
        sources=("A16",),
        why="unbounded retries turn one slow backend into many",
    ),
    _nginx(
        "two or more upstreams, failover",
        _SET,
        "max_fails=0",
        says="2 servers (A16)",
        sources=("A16",),
        why="nginx counts too large a head, a slow path or a broken gRPC stream like a dead server: six requests of "
        "one client would take two servers from everybody",
    ),
    _nginx(
        "two or more upstreams, failover",
        _SET,
        f"each server asked every {_HEALTH['interval_seconds']}s: down after {_HEALTH['failures']} failures, up after "
        f"{_HEALTH['successes']} answers",
        says="2 servers (A16)",
        sources=("A16",),
        why="what the gateway itself asks says whether a server is there; never are all of a group marked down",
    ),
    _nginx(
        "heads of requests and answers",
        _SET,
        f"{_GROUP['response_head_kilobytes']} KiB an answer; as much each line of a request, four times that all",
        why="nginx's own 4 KiB are less than a few cookies and a policy of an answer, and make it a 502",
    ),
    _nginx(
        "proxy headers",
        _SET,
        "X-Real-IP, X-Forwarded-For, -Proto, -Host, -Port, X-Request-ID; every other claim about the client removed",
        says="X-Real-IP, X-Forwarded-For (A16)",
        sources=("A16",),
        why="what a client says about itself is believed of a trusted proxy only: anyone can send it (requests.md)",
    ),
    _nginx(
        "access log",
        _SET,
        f"JSON, buffer={_LOG['buffer_kilobytes']}k flush={_LOG['flush_seconds']}s, {_LOG['rotate_keep']} old ones "
        "kept, rotated at the size at which all of them fill three quarters of the data volume",
        says="buffer=64k flush=5m, favicon/robots off (A16, A18)",
        sources=("A16", "A18"),
        why="on the data volume; in a crash at most one buffer for each worker is lost",
    ),
    _nginx(
        "access log",
        _OPTION,
        "audit log, unbuffered",
        says="stricter logging for audit trails on fast disks (A18)",
        sources=("A18",),
        why="where no line may be lost",
    ),
    _nginx(
        "session resumption",
        _SET,
        f"shared cache {_TLS['session_cache_megabytes']}m, {_TLS['session_timeout_seconds']}s",
        says="cache shared:SSL:50m, 1d (A18)",
        sources=("A18",),
        why="a returning client saves a round trip and the gateway a signature",
    ),
    _nginx(
        "session resumption",
        _SET,
        "tickets on with the shared cache",
        says="tickets off (A18)",
        sources=("A18",),
        valid=f"nginx {ROTATED_TICKET_KEYS} and later; off before",
        why="an older nginx never renews the ticket key: one leak opens every session",
    ),
    _nginx(
        "OCSP stapling",
        _OPTION,
        "on, with the region's resolvers, valid=300s",
        says="on, resolver 1.1.1.1 8.8.8.8 valid=300s (A18)",
        sources=("A18",),
        why="only for a certificate that names a responder: large CAs have dropped OCSP",
    ),
    _nginx(
        "HSTS",
        Disposition.FLOOR,
        f"max-age={_TLS['hsts_max_age_seconds']}, always",
        says="max-age=31536000; includeSubdomains (A14)",
        sources=("A14",),
        why="`always`, or error pages go without; includeSubDomains is a setting: hard to take back",
    ),
    _nginx(
        "HTTP/2",
        _SET,
        "`http2 on`",
        says="SPDY (A14)",
        sources=("A14",),
        valid=f"nginx {HTTP2_DIRECTIVE} and later; `listen ... http2` before",
        why="SPDY is gone",
    ),
    _nginx(
        "HTTP/2",
        _OPTION,
        "HTTP/3",
        valid=f"packages built with the HTTP/3 module: {_HTTP3}",
        why="nginx calls it experimental",
    ),
    _nginx(
        "grade",
        Disposition.ASSERT,
        "A+ from testssl.sh",
        says="A+ on SSL Labs (A14)",
        sources=("A14",),
        why="SSL Labs sees public hosts only; testssl.sh grades by its rules, in the tests",
        proof="tests/render/test_grade.py::test_testssl_gives_the_best_grade_and_finds_nothing_weak",
    ),
    _nginx(
        "health",
        _SET,
        "/health by the gateway itself, /ready through an upstream, stub_status on loopback",
        says="/health (A20a)",
        sources=("A20a",),
        why="a dead backend must not take the gateway out of service, and a dead gateway must not look ready",
    ),
    _nginx(
        "rate limiting",
        _OPTION,
        "limit_req and limit_conn for each client address",
        why="what is too much only the user knows",
    ),
)
