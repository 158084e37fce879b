"""HTTP/1.1 over TLS for measuring: one exchange at a time on a connection, and no work that is not needed."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools

from smoke.plan import Trust
from smoke.problems import TargetProblem, UsageProblem

CONNECT_TIMEOUT = 10.0


@dataclass(frozen=True)
class Target:
    """Where to connect, and as what."""

    host: str
    port: int
    server_name: str
    context: ssl.SSLContext

    @property
    def label(self) -> str:
        return f"{self.host}:{self.port}"

    def request(self, path: str, method: str = "GET", host: str | None = None) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {host or self.server_name}\r\n"
            "User-Agent: nordgate-smoke\r\nAccept: */*\r\n\r\n"
        ).encode("ascii")  # fmt: skip


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection(asyncio.Protocol):
    """A client connection. `on_reply` is called with every whole answer, `on_lost` once, when it has ended."""

    def __init__(self, keep_content: bool = False):
        self.on_reply: Callable[[Connection, Reply], None] | None = None
        self.on_lost: Callable[[Connection], None] | None = None
        self.busy = False
        self.answer_begun = False
        self.exchanges = 0
        self.closed = False
        self.transport: asyncio.Transport | None = None
        self._keep = keep_content
        self._reply = Reply()
        self._parser = httptools.HttpResponseParser(self)

    def send(self, request: bytes) -> None:
        assert self.transport is not None  # noqa: S101
        self.busy, self.answer_begun, self._reply = True, False, Reply()
        self.transport.write(request)

    def close(self) -> None:
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    # asyncio
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.answer_begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        if self.on_lost is not None:
            self.on_lost(self)

    # httptools
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._keep:
            self._reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        if self._keep:
            self._reply.body += body

    def on_message_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        self.busy = False
        self.exchanges += 1
        if not self._parser.should_keep_alive():
            self.close()
        if self.on_reply is not None:
            self.on_reply(self, self._reply)


async def connect(target: Target, keep_content: bool = False) -> Connection:
    """A connection whose TLS handshake is done; a TargetProblem says why there is none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, connection = await loop.create_connection(
                lambda: Connection(keep_content), target.host, target.port,
                ssl=target.context, server_hostname=target.server_name,
            )  # fmt: skip
    except (OSError, TimeoutError) as error:
        raise TargetProblem(_why(target, error)) from None
    return connection


async def get(target: Target, path: str, timeout: float = 10) -> tuple[Reply, ssl.SSLObject]:
    """One request on a connection of its own: the answer, and what TLS agreed on."""
    connection = await connect(target, keep_content=True)
    assert connection.transport is not None  # noqa: S101
    tls: ssl.SSLObject = connection.transport.get_extra_info("ssl_object")
    try:
        return await exchange(connection, target, path, timeout=timeout), tls
    finally:
        connection.on_lost = None
        connection.close()


async def exchange(
    connection: Connection,
    target: Target,
    path: str,
    method: str = "GET",
    host: str | None = None,
    timeout: float = 10,
) -> Reply:
    """One request on a connection that keeps content, and its answer; a TargetProblem says why there is none."""
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def replied(_: Connection, reply: Reply) -> None:
        if not answered.done():
            answered.set_result(reply)

    def lost(_: Connection) -> None:
        if not answered.done():
            closes = f"{target.label} closes the connection instead of answering {method} {path}."
            answered.set_exception(TargetProblem(closes))

    connection.on_reply, connection.on_lost = replied, lost
    if connection.closed:
        lost(connection)
    else:
        connection.send(target.request(path, method, host))
    try:
        async with asyncio.timeout(timeout):
            return await answered
    except TimeoutError:
        raise TargetProblem(f"{target.label} does not answer {method} {path} within {timeout:.0f} s.") from None


def tls_context(trust: Trust, pinned: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or later, verified: against the pinned certificate, a file, or the machine's authorities."""
    context = ssl.create_default_context() if pinned is None and trust.ca_file is None else _bare_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if pinned is not None:
            context.load_verify_locations(cadata=pinned)
        elif trust.ca_file is not None:
            context.load_verify_locations(cafile=trust.ca_file)
    except ssl.SSLError:
        raise TargetProblem("the certificate to trust is not a PEM certificate.") from None
    except OSError as error:
        raise UsageProblem(f"cannot read the CA file {trust.ca_file}: {error.strerror}.") from None
    return context


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The pinned certificate need not be a certificate authority to be its own trust anchor.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def _why(target: Target, error: Exception) -> str:
    where = target.label
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate of {target.server_name} at {where} is not to be trusted: {error.verify_message}."
        case ssl.SSLError():
            return f"{where} fails the TLS handshake: {(error.reason or str(error)).replace('_', ' ').lower()}."
        case ConnectionRefusedError():
            return f"{where} refuses the connection: nothing listens there."
        case socket.gaierror():
            return f"there is no address for {target.host}: {error.strerror}."
        case TimeoutError():
            return f"{where} does not answer within {CONNECT_TIMEOUT:.0f} s."
        case ConnectionError():
            return f"{where} closes the connection before the TLS handshake is done."
    if f"[Errno {errno.ECONNREFUSED}]" in str(error):  # of a name with several addresses
        return f"{where} refuses the connection: nothing listens there."
    return f"cannot connect to {where}: {getattr(error, 'strerror', None) or error}."
