"""HTTP/1.1 over TLS for proofs: one request, and all that is to be known of its answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httptools

from nordgate.errors import TargetError
from smoke.engine import tls
from smoke.engine.connection_errors import CONNECT_TIMEOUT, Unreachable, explain
from smoke.engine.job import AGENT, Endpoint, label


@dataclass(frozen=True)
class Target:
    """Where to connect, and as what."""

    host: str
    port: int
    server_name: str
    context: ssl.SSLContext

    @property
    def label(self) -> str:
        """HOST:PORT, as messages have it."""
        return label(self.host, self.port)

    def request(self, path: str, method: str = "GET", host: str | None = None, length: int | None = None) -> bytes:
        """`length`: of a body that is announced and never sent."""
        body = "" if length is None else f"Content-Length: {length}\r\n"
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {host or self.server_name}\r\n"
            f"User-Agent: {AGENT}\r\nAccept: */*\r\n{body}\r\n"
        ).encode("ascii")  # fmt: skip


@dataclass
class Reply:
    """One answer."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    """As they came, their names in lower case: one that was sent twice is here twice."""
    body: bytes = b""
    said: str = ""
    """What a status of HTTP does not say of an answer."""

    def values(self, name: str) -> list[str]:
        """What the header `name` says, as often as it was sent."""
        return [value for key, value in self.headers if key == name.lower()]

    def value(self, name: str) -> str:
        """What the first header `name` says; empty without one."""
        return next(iter(self.values(name)), "")


class Connection(asyncio.Protocol):
    """A client connection. `on_reply` is called with every whole answer, `on_lost` once, when it has ended."""

    def __init__(self) -> None:
        self.on_reply: Callable[[Connection, Reply], None] | None = None
        self.on_lost: Callable[[Connection], None] | None = None
        self.closed = False
        self.transport: asyncio.Transport | None = None
        self._reply = Reply()
        self._head_done = False
        self._parser = httptools.HttpResponseParser(self)

    def send(self, request: bytes) -> None:
        """Send one request; its answer goes to on_reply."""
        assert self.transport is not None  # noqa: S101
        self._reply, self._head_done = Reply(), False
        self.transport.write(request)

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    # asyncio
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Called by asyncio."""
        self.closed = True
        if self.on_lost is not None:
            self.on_lost(self)

    # httptools
    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools."""
        if not self._head_done:  # what follows a body in parts is a trailer
            self._reply.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Called by httptools."""
        self._head_done = True

    def on_body(self, body: bytes) -> None:
        """Called by httptools."""
        self._reply.body += body

    def on_message_complete(self) -> None:
        """Called by httptools."""
        self._reply.status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        if self.on_reply is not None:
            self.on_reply(self, self._reply)


async def connect(target: Target) -> Connection:
    """A connection whose TLS handshake is done; a TargetError says why there is none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, connection = await loop.create_connection(
                Connection, target.host, target.port,
                ssl=target.context, server_hostname=target.server_name,
            )  # fmt: skip
    except (OSError, TimeoutError) as error:
        raise TargetError(why(target, error)) from None
    return connection


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Connection]:
    """A connection that is closed with the block. Raises TargetError when there is none."""
    connection = await connect(target)
    try:
        yield connection
    finally:
        connection.on_lost = None
        connection.close()


async def get(target: Target, path: str, timeout: float = 10) -> tuple[Reply, ssl.SSLObject]:
    """One request on a connection of its own: the answer, and what TLS agreed on."""
    async with connected(target) as connection:
        assert connection.transport is not None  # noqa: S101
        agreed: ssl.SSLObject = connection.transport.get_extra_info("ssl_object")
        return await exchange(connection, target, path, timeout=timeout), agreed


async def exchange(
    connection: Connection,
    target: Target,
    path: str,
    method: str = "GET",
    host: str | None = None,
    length: int | None = None,
    timeout: float = 10,
) -> Reply:
    """One request on a connection, and its answer; a TargetError says why there is none."""
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def replied(_: Connection, reply: Reply) -> None:
        if not answered.done():
            answered.set_result(reply)

    def lost(_: Connection) -> None:
        if not answered.done():
            closes = f"{target.label} closes the connection instead of answering {method} {path}."
            answered.set_exception(TargetError(closes))

    connection.on_reply, connection.on_lost = replied, lost
    if connection.closed:
        lost(connection)
    else:
        connection.send(target.request(path, method, host, length))
    try:
        async with asyncio.timeout(timeout):
            return await answered
    except TimeoutError:
        raise TargetError(f"{target.label} does not answer {method} {path} within {timeout:.0f} s.") from None


def tls_context(authorities: str | None, insecure: bool = False) -> ssl.SSLContext:
    """As the load generator trusts. Raises TargetError for a text that is no certificate."""
    try:
        return tls.tls_context(authorities, insecure)
    except Unreachable as problem:
        raise TargetError(str(problem)) from None


def why(target: Target, error: Exception) -> str:
    """What a connection failed for, in a sentence."""
    return explain(Endpoint(target.host, target.port, target.server_name, "/"), error)
