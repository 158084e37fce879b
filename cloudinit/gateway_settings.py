"""`GatewaySettings`: everything that a user says about one gateway, checked as a whole."""

from __future__ import annotations

import re
from math import ceil
from typing import Literal

from pydantic import Field, field_validator, model_validator

from cloudinit.contradictions import CONTRADICTIONS
from cloudinit.field_types import Headers, HostName, Name, Network, Port, Seconds, SettingsModel, Text, UrlPath
from cloudinit.kernel_settings import KernelSettings
from cloudinit.routing import Route, UpstreamGroup
from cloudinit.violations import raise_all

REQUEST_LINES = 4
"""Long lines that a request's head may have."""

# What the rotation looks for, and what no shell, no configuration file and no pattern reads as anything else.
_LOG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(json|log)")
_TAKEN_LOGS = ("audit.json", "error.log")


class Readiness(SettingsModel):
    """/ready answers 200 only when this upstream does."""

    upstream: Name
    path: UrlPath = Field(
        default="/health",
        description="Not for a group that only gRPC routes lead to: any answer of gRPC will do.",
    )


class RateLimit(SettingsModel):
    """How much one client address may ask for; more is answered with 429."""

    requests_per_second: int = Field(ge=1, le=1_000_000)
    burst: int = Field(default=0, ge=0, le=1_000_000, description="Requests above the rate that are still answered.")
    connections: int = Field(
        default=0, ge=0, le=65535, description="At once, each HTTP/2 stream counted as one; 0: no limit."
    )
    clients: int = Field(default=160_000, ge=1000, le=10_000_000, description="Addresses remembered; 16,000 a MiB.")
    dry_run: bool = Field(default=False, description="Only log what would be refused.")

    @property
    def megabytes(self) -> int:
        """What the table of clients takes."""
        return max(1, ceil(self.clients / 16_000))


class Listeners(SettingsModel):
    """The ports of the gateway."""

    http: Port = 80
    https: Port = 443
    status: Port = Field(default=8081, description="On loopback only: /status, /config-hash, /boot.")


class TlsSettings(SettingsModel):
    """What clients may speak. Protocols and ciphers are not settings: TLS 1.2 and 1.3 with AEAD ciphers."""

    hsts_max_age_seconds: int = Field(default=63_072_000, ge=31_536_000, le=315_360_000)
    hsts_include_subdomains: bool = Field(default=False, description="Also every name below: hard to take back.")
    session_cache_megabytes: int = Field(default=50, ge=1, le=1024, description="About 4,000 sessions a MiB.")
    session_timeout_seconds: int = Field(default=86_400, ge=60, le=86_400)
    ocsp_stapling: bool = Field(
        default=False, description="Only for a certificate that names a responder; large CAs have dropped OCSP."
    )
    http3: bool = Field(default=False, description="HTTP/3 over UDP, where the platform's nginx has it.")


class LogSettings(SettingsModel):
    """Logs lie on the data volume and survive the guest. In a crash one buffer for each worker is lost at most."""

    file: Text = Field(
        default="access.json", description="Name of the access log on the data volume: NAME.json or NAME.log."
    )
    buffer_kilobytes: int = Field(default=64, ge=4, le=4096)
    flush_seconds: Seconds = Field(default=5, description="Longest time that a line waits in the buffer.")
    audit: bool = Field(default=False, description="A second log, written at once, line by line.")
    rotate_megabytes: int | None = Field(
        default=None,
        ge=1,
        le=102_400,
        description="A log that is larger is rotated. Default: what lets all that are kept fill three quarters of the "
        "data volume, found out in the guest at each look.",
    )
    rotate_keep: int = Field(default=8, ge=1, le=1000, description="Rotated files that are kept of each log.")

    @field_validator("file")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _LOG_NAME.fullmatch(value):
            raise ValueError(
                f'"{value}" is not a file name of letters, digits, ".", "_" and "-" that ends in .json or .log'
            )
        if value in _TAKEN_LOGS:
            raise ValueError(f'"{value}" is another log of the gateway')
        return value

    @property
    def logs(self) -> int:
        """How many there are: of access, of errors, and the audit log."""
        return 2 + self.audit


class GatewaySettings(SettingsModel):
    """One nginx API gateway: its names, what lies behind it, and how it is tuned."""

    server_names: tuple[HostName, ...] = Field(min_length=1, max_length=100)
    upstreams: dict[Name, UpstreamGroup] = Field(min_length=1)
    routes: tuple[Route, ...] = Field(min_length=1, max_length=500)
    readiness: Readiness | None = Field(
        default=None,
        description='Default: /health of the group that the route "/" leads to, wherever it is listed. Must be there '
        "where no route is for the rest and the routes lead to several groups.",
    )
    listeners: Listeners = Listeners()
    tls: TlsSettings = TlsSettings()
    log: LogSettings = LogSettings()
    kernel: KernelSettings = KernelSettings()
    concurrent_clients: int = Field(default=10_000, ge=1, le=500_000, description="Sizes the connection tables.")
    worker_connections: int | None = Field(default=None, ge=512, le=1_048_576, description="Default: from the above.")
    worker_rlimit_nofile: int | None = Field(default=None, ge=1024, le=1_073_741_816)
    limit_nofile: int = Field(default=1_048_576, ge=1024, le=1_073_741_816, description="Of the nginx service.")
    multi_accept: bool = False
    fastopen: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="TCP Fast Open queue: only where a replayed first request is harmless.",
    )
    keepalive_timeout_seconds: Seconds = Field(
        default=75, description="How long a client stays connected between two requests."
    )
    keepalive_requests: int = Field(default=10_000, ge=1, le=10_000_000)
    request_header_kilobytes: int | None = Field(
        default=None,
        ge=4,
        le=1024,
        description="Longest line of a request's head; four times that the whole head. Default: the largest head of an "
        "answer, so that the cookies that it sets can come back.",
    )
    rate_limit: RateLimit | None = None
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        description="Networks that are believed what they say about a client: X-Forwarded-For, -Proto, -Host, -Port "
        "and others. Nobody, unless named here.",
    )
    security_headers: Headers = Field(
        default_factory=lambda: {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"},
        description="Added to every response, in place of the upstream's of the same name.",
    )
    body_buffer_megabytes: int = Field(
        default=64,
        ge=1,
        le=1_048_576,
        description="Memory for request bodies that wait until they are whole; when it is full, clients get 503.",
    )
    gzip: Literal["off", "json"] = "off"

    @property
    def connections(self) -> int:
        """For each worker: every client and its upstream connection, should one worker get them all."""
        if self.worker_connections is not None:
            return self.worker_connections
        return max(4096, 1 << (2 * self.concurrent_clients - 1).bit_length())

    @property
    def rlimit_nofile(self) -> int:
        """Files for each worker: one for each connection, and as many again for what they read and buffer."""
        return self.worker_rlimit_nofile or max(100_000, 2 * self.connections)

    @property
    def request_line_kilobytes(self) -> int:
        """The longest line of a request's head."""
        return self.request_header_kilobytes or self.response_head_kilobytes

    @property
    def response_head_kilobytes(self) -> int:
        """The largest head of an answer, of any group."""
        return max(group.response_head_kilobytes for group in self.upstreams.values())

    @property
    def lifetime_seconds(self) -> int:
        """How long a client's connection is used at most: an hour, or as long as it may be idle."""
        return max(3600, self.keepalive_timeout_seconds)

    @property
    def client_timeout_seconds(self) -> int:
        """How long a connection may stand still that carries several requests: as long as any of them."""
        return max(route.client_timeout_seconds for route in self.routes)

    @property
    def ready_connect_seconds(self) -> int:
        """What /ready leaves its upstream to accept a connection: as much as the routes do."""
        return max((r.connect_timeout_seconds for r in self.routes if r.upstream == self.ready.upstream), default=3)

    @property
    def ready(self) -> Readiness:
        """What /ready asks: in no way does that depend on the order of the routes."""
        rest = [route.upstream for route in self.routes if route.path == "/" and not route.exact]
        return self.readiness or Readiness(upstream=(rest or sorted(route.upstream for route in self.routes))[0])

    @property
    def ready_by_grpc(self) -> bool:
        """Whether the group that /ready asks is one that only gRPC calls go to."""
        kinds = {route.kind for route in self.routes if route.upstream == self.ready.upstream}
        return kinds == {"grpc"}

    @property
    def ports(self) -> tuple[int, ...]:
        """The TCP ports that nginx listens on."""
        return (self.listeners.http, self.listeners.https, self.listeners.status)

    @model_validator(mode="after")
    def _rules(self) -> GatewaySettings:
        raise_all("GatewaySettings", [problem for rule in CONTRADICTIONS for problem in rule(self)])
        return self
