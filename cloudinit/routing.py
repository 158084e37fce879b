"""SettingsModel of what lies behind the gateway: groups of upstream servers, and the routes to them."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cloudinit.field_types import (
    CaCertificate,
    Endpoint,
    Headers,
    HostName,
    Name,
    PlainHeaderName,
    Seconds,
    SettingsModel,
    UrlPath,
)
from cloudinit.violations import Violation, raise_all

BODY_BUFFERS = 8
"""Of each answer that is buffered."""

_COUNTED = ("maxFails", "max_fails", "failTimeoutSeconds", "fail_timeout_seconds")
_NOT_COUNTED = (
    "is no setting any more: what a request meets marks no server down, for one client or one path could take the "
    "whole group from everybody; what the gateway itself asks does: see `health`"
)


class UpstreamServer(SettingsModel):
    """One server of a group. In a stack file the short form `10.8.0.2:8080` is enough."""

    address: Endpoint = Field(description="host:port. A name is looked up while the gateway runs, by its time to live.")
    weight: int = Field(default=1, ge=1, le=1000, description="Share of the requests, relative to the others.")
    backup: bool = Field(default=False, description="Used only while no other server of the group answers.")
    max_connections: int = Field(default=0, ge=0, le=1_000_000, description="Most connections at once; 0: no limit.")

    @field_validator("address")
    @classmethod
    def _is_elsewhere(cls, value: str) -> str:
        host = value.rpartition(":")[0]
        if host == "localhost" or host.endswith(".localhost"):
            raise ValueError(f'"{host}" is the gateway itself, which DNS does not know; say 127.0.0.1')
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The short form too."""
        return {"anyOf": [{"type": "string", "description": "host:port"}, handler(schema)]}


def _short_form(server: Any) -> Any:
    if isinstance(server, str):
        return {"address": server}
    if not isinstance(server, dict | UpstreamServer):
        raise ValueError("must be host:port in quotes, or a map with address")
    return server


class UpstreamTls(SettingsModel):
    """TLS towards the servers of a group. Verification and SNI are always on."""

    server_name: HostName = Field(description="The name that the certificate of the servers must carry.")
    ca_certificate: CaCertificate | None = Field(
        default=None, description="PEM of the CA to trust; without it, the distribution's list."
    )


class Health(SettingsModel):
    """How the gateway itself asks each server of a group that has several whether it is there.

    Only the answers to this mark a server down, for all clients, and up again; never all servers of a group.
    """

    path: UrlPath | None = Field(
        default=None,
        description="Asked with GET, 200 to 299 is well. Without one, that a connection is accepted is enough, which "
        "a server that hangs may still do.",
    )
    interval_seconds: Seconds = Field(
        default=2, description="From one question to the next, and the longest that an answer may take."
    )
    failures: int = Field(default=3, ge=1, le=100, description="So many in a row mark a server down.")
    successes: int = Field(default=2, ge=1, le=100, description="So many in a row mark it up again.")


class UpstreamGroup(SettingsModel):
    """Servers that answer the same requests, the connections kept open to them, and what happens when one fails."""

    servers: tuple[Annotated[UpstreamServer, BeforeValidator(_short_form)], ...] = Field(min_length=1, max_length=200)
    tls: UpstreamTls | None = Field(default=None, description="TLS towards these servers; without it, plain HTTP.")
    balance: Literal["round-robin", "least-connections"] = "round-robin"
    keepalive: int = Field(default=64, ge=1, le=4096, description="Idle connections kept open, for each worker.")
    keepalive_requests: int = Field(default=10_000, ge=1, le=10_000_000)
    keepalive_timeout_seconds: Seconds = Field(
        default=55, description="Must be below the servers' own idle time-out, or requests race a close."
    )
    response_head_kilobytes: int = Field(
        default=32,
        ge=4,
        le=1024,
        description="Largest head of an answer, HTTP or gRPC; a larger one is answered with 502.",
    )
    health: Health = Field(default=Health(), description="How the servers are asked whether they are there.")
    tries: int = Field(default=2, ge=1, le=10, description="Servers that one idempotent request may be sent to.")
    retry_timeout_seconds: Seconds = Field(
        default=5,
        description="No further try once this much time has passed: above the connect time-out of its routes.",
    )

    @property
    def lifetime_seconds(self) -> int:
        """How long a connection to a server is used at most: an hour, or as long as it may be idle."""
        return max(3600, self.keepalive_timeout_seconds)

    @property
    def body_buffer_kilobytes(self) -> int:
        """Size of each of the buffers that an answer's body passes through: what is on its way to the client has to
        hold a whole head, and must leave one buffer free."""
        return max(8, ceil(self.response_head_kilobytes / (BODY_BUFFERS - 1) / 4) * 4)

    @model_validator(mode="before")
    @classmethod
    def _no_counting_of_failures(cls, value: Any) -> Any:
        if isinstance(value, dict):
            raise_all(
                "UpstreamGroup",
                [Violation((name,), None, _NOT_COUNTED) for name in _COUNTED if name in value],
            )
        return value

    @model_validator(mode="after")
    def _rules(self) -> UpstreamGroup:
        found = []
        if all(server.backup for server in self.servers):
            found.append(Violation(("servers",), None, "every server is a backup; at least one must not be"))
        addresses = [server.address for server in self.servers]
        found += [
            Violation(("servers", index, "address"), address, f"{address} is listed twice in this group")
            for index, address in enumerate(addresses)
            if address in addresses[:index]
        ]
        raise_all("UpstreamGroup", found)
        return self


class Route(SettingsModel):
    """Requests whose path starts with `path` go to `upstream`. The longest matching path wins."""

    path: UrlPath = Field(description="`/` or a prefix that ends with `/`, unless `exact`.")
    upstream: Name = Field(description="The group that answers.")
    exact: bool = Field(default=False, description="Only this very path, nothing below it.")
    kind: Literal["http", "websocket", "stream", "grpc"] = Field(
        default="http",
        description="`websocket` passes upgrades to WebSocket, `stream` buffers nothing (server-sent events, large "
        "bodies), `grpc` speaks gRPC.",
    )
    connect_timeout_seconds: Seconds = Field(
        default=2, description="A first packet that is lost is sent again after one second."
    )
    read_timeout_seconds: Seconds = Field(default=60, description="Longest silence of the upstream.")
    send_timeout_seconds: Seconds = Field(
        default=60,
        description="Longest time that the upstream takes nothing. A client may pause for the longer of the two.",
    )
    max_body_megabytes: int | None = Field(
        default=None,
        ge=0,
        le=102_400,
        description="A larger body is answered with 413. 0: no limit, where nothing is buffered. Default: 1; of `grpc` "
        "no limit, for all messages of a stream are one body.",
    )
    response_headers: Headers = Field(
        default_factory=dict,
        description="Added to every response, in place of the upstream's and of `securityHeaders` of the same name.",
    )
    upstream_headers: tuple[PlainHeaderName, ...] = Field(
        default=(),
        description="Of `securityHeaders` and `responseHeaders`, those that the upstream decides: the gateway's value "
        "is added only where the upstream sends none.",
    )

    @property
    def buffered(self) -> bool:
        """Whether a body waits in the gateway until it is whole."""
        return self.kind in ("http", "websocket")

    @property
    def body_megabytes(self) -> int:
        """The largest body; 0: no limit."""
        if self.max_body_megabytes is None:
            return 0 if self.kind == "grpc" else 1
        return self.max_body_megabytes

    @property
    def client_timeout_seconds(self) -> int:
        """How long a client may pause, sending or taking. Less would cut what the upstream's time-outs allow."""
        return max(self.read_timeout_seconds, self.send_timeout_seconds)

    @model_validator(mode="after")
    def _rules(self) -> Route:
        found = []
        if self.buffered and self.max_body_megabytes == 0:
            rule = f"0 is no limit, and `kind: {self.kind}` buffers a body whole: say how large, or use `kind: stream`"
            found.append(Violation(("maxBodyMegabytes",), 0, rule))
        if not self.exact and not self.path.endswith("/"):
            rule = f'"{self.path}" would also match "{self.path}x": end the prefix with "/", or set exact'
            found.append(Violation(("path",), self.path, rule))
        lower = [name.lower() for name in self.upstream_headers]
        found += [
            Violation(("upstreamHeaders", index), name, f'"{name}" is listed twice')
            for index, name in enumerate(self.upstream_headers)
            if name.lower() in lower[:index]
        ]
        raise_all("Route", found)
        return self
