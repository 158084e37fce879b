"""`GatewaySettings`: everything that a user says about one gateway, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator, model_validator

from cloudinit.addresses import everybody
from cloudinit.kernel import KernelSettings
from cloudinit.model import Headers, HostName, Name, Network, Seconds, Settings, Text
from cloudinit.problems import Problem, raise_all
from cloudinit.routing import Listeners, RateLimit, Readiness, Route, UpstreamGroup

REQUEST_LINES = 4
"""Long lines that a request's head may have."""

# What the rotation looks for, and what no shell, no configuration file and no pattern reads as anything else.
_LOG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(json|log)")
_TAKEN_LOGS = ("audit.json", "error.log")


class TlsSettings(Settings):
    """What clients may speak. Protocols and ciphers are not settings: TLS 1.2 and 1.3 with AEAD ciphers."""

    hsts_max_age_seconds: int = Field(default=63_072_000, ge=31_536_000, le=315_360_000)
    hsts_include_subdomains: bool = Field(default=False, description="Also every name below: hard to take back.")
    session_cache_megabytes: int = Field(default=50, ge=1, le=1024, description="About 4,000 sessions a MiB.")
    session_timeout_seconds: int = Field(default=86_400, ge=60, le=86_400)
    ocsp_stapling: bool = Field(
        default=False, description="Only for a certificate that names a responder; large CAs have dropped OCSP."
    )
    http3: bool = Field(default=False, description="HTTP/3 over UDP, where the platform's nginx has it.")


class LogSettings(Settings):
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


class GatewaySettings(Settings):
    """One nginx API gateway: its names, what lies behind it, and how it is tuned."""

    server_names: tuple[HostName, ...] = Field(min_length=1, max_length=100)
    upstreams: dict[Name, UpstreamGroup] = Field(min_length=1)
    routes: tuple[Route, ...] = Field(min_length=1, max_length=500)
    readiness: Readiness | None = Field(default=None, description="Default: /health of the first route's group.")
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
        return self.readiness or Readiness(upstream=self.routes[0].upstream)

    @property
    def ready_by_grpc(self) -> bool:
        """Whether the group that /ready asks is one that only gRPC calls go to."""
        kinds = {route.kind for route in self.routes if route.upstream == self.ready.upstream}
        return kinds == {"grpc"}

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.listeners.http, self.listeners.https, self.listeners.status)

    @model_validator(mode="after")
    def _rules(self) -> GatewaySettings:
        raise_all("GatewaySettings", [*self.routing_problems(), *self.limit_problems(), *self.port_problems()])
        return self

    def routing_problems(self) -> list[Problem]:
        """Routes, names and networks that contradict each other."""
        known = ", ".join(self.upstreams)
        found = [
            Problem(("routes", index, "upstream"), route.upstream, f'"{route.upstream}" is not one of: {known}')
            for index, route in enumerate(self.routes)
            if route.upstream not in self.upstreams
        ]
        if self.readiness and self.readiness.upstream not in self.upstreams:
            rule = f'"{self.readiness.upstream}" is not one of: {known}'
            found.append(Problem(("readiness", "upstream"), self.readiness.upstream, rule))
        found += [
            Problem(
                ("upstreams", route.upstream, "health", "path"),
                self.upstreams[route.upstream].health.path,
                f'the route "{route.path}" speaks gRPC with these servers, which answer no GET: leave it out, and a '
                "connection is asked for",
            )
            for route in self.routes
            if route.kind == "grpc" and route.upstream in self.upstreams and self.upstreams[route.upstream].health.path
        ]
        if self.readiness and "path" in self.readiness.model_fields_set and self.ready_by_grpc:
            rule = f'"{self.readiness.upstream}" speaks gRPC alone, and is asked for its health: leave the path out'
            found.append(Problem(("readiness", "path"), self.readiness.path, rule))
        seen = [(route.path, route.exact) for route in self.routes]
        found += [
            Problem(("routes", index, "path"), route.path, f'"{route.path}" has a route already')
            for index, route in enumerate(self.routes)
            if (route.path, route.exact) in seen[:index]
        ]
        found += [
            Problem(("routes", index, "path"), route.path, f'"{route.path}" is answered by the gateway itself')
            for index, route in enumerate(self.routes)
            if route.path in ("/health", "/ready")
        ]
        found += [
            Problem(("routes", index, *problem.where), problem.value, problem.rule)
            for index, route in enumerate(self.routes)
            for problem in self._promises_not_kept(route)
        ]
        for index, network in enumerate(self.trusted_proxies):
            if network in self.trusted_proxies[:index]:
                found.append(Problem(("trustedProxies", index), str(network), f"{network} is listed twice"))
        for network in everybody(self.trusted_proxies):
            alone = network in self.trusted_proxies
            where = ("trustedProxies", self.trusted_proxies.index(network)) if alone else ("trustedProxies",)
            rule = f"{network}{'' if alone else ', put together,'} is everybody: anyone could pose as any client"
            found.append(Problem(where, str(network), rule))
        found += [
            Problem(("serverNames", index), name, f'"{name}" is listed twice')
            for index, name in enumerate(self.server_names)
            if name in self.server_names[:index]
        ]
        return found

    def _promises_not_kept(self, route: Route) -> Iterator[Problem]:
        """What the route says and other settings do not allow; where it stands within the route."""
        ours = {name.lower() for name in (*self.security_headers, *route.response_headers)}
        for number, name in enumerate(route.upstream_headers):
            if name.lower() not in ours:
                rule = f'"{name}" is none of securityHeaders or responseHeaders: the upstream\'s passes anyway'
                yield Problem(("upstreamHeaders", number), name, rule)
        size, room = route.body_megabytes, self.body_buffer_megabytes
        if route.buffered and size > room:
            rule = (
                f"{size} MiB do not fit the {room} MiB of bodyBufferMegabytes, where a body of `kind: {route.kind}` "
                "waits until it is whole: allow less, or more room, or use `kind: stream`"
            )
            yield Problem(("maxBodyMegabytes",), size, rule)
        group, connect = self.upstreams.get(route.upstream), route.connect_timeout_seconds
        if group and min(group.tries, len(group.servers)) > 1 and connect >= group.retry_timeout_seconds:
            rule = (
                f"{connect} s are not below retryTimeoutSeconds, {group.retry_timeout_seconds}, of "
                f'"{route.upstream}": no second server would be tried'
            )
            yield Problem(("connectTimeoutSeconds",), connect, rule)

    def limit_problems(self) -> list[Problem]:
        """Limits on open files that are below what needs them."""
        found = []
        if self.rlimit_nofile < 2 * self.connections:
            rule = f"{self.rlimit_nofile} is less than twice the {self.connections} worker connections"
            found.append(Problem(("workerRlimitNofile",), self.rlimit_nofile, rule))
        if self.limit_nofile > self.kernel.nr_open:
            rule = f"{self.limit_nofile} is above fs.nr_open, {self.kernel.nr_open}: the service would not start"
            found.append(Problem(("limitNofile",), self.limit_nofile, rule))
        if self.rlimit_nofile > self.limit_nofile:
            rule = f"{self.rlimit_nofile} is above limitNofile, {self.limit_nofile}, of the service"
            found.append(Problem(("workerRlimitNofile",), self.rlimit_nofile, rule))
        return found

    def port_problems(self) -> list[Problem]:
        """Ports that are taken twice, or that the kernel may give away."""
        found = []
        names = ("http", "https", "status")
        for index, (name, port) in enumerate(zip(names, self.ports, strict=True)):
            if port in self.ports[:index] or port == 22:
                found.append(Problem(("listeners", name), port, f"port {port} is taken already"))
            if not self.kernel.reserves(port):
                rule = f"port {port} lies in the ephemeral range {self.kernel.ephemeral_range} and is not reserved"
                found.append(Problem(("listeners", name), port, rule))
        return found
