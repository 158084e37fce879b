"""HTTP/2 over TLS for proofs: a few requests, one after the other on one connection. Blocking, as handshakes are."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from nordgate.errors import TargetError
from smoke.engine.connection_errors import CONNECT_TIMEOUT
from smoke.engine.job import AGENT
from smoke.http1 import Reply, Target

_READ = 1 << 16


@dataclass(frozen=True)
class Request:
    """One request."""

    method: str
    path: str
    length: int | None = None
    """Of a body that is announced and never sent."""

    @property
    def label(self) -> str:
        """How messages call the request."""
        return f"{self.method} {self.path}" + ("" if self.length is None else " with too large a body")


def ask(target: Target, context: ssl.SSLContext, requests: Sequence[Request], timeout: float = 10) -> list[Reply]:
    """The answer to each request; none at all from a server that does not offer HTTP/2.

    Raises TargetError where a request is not answered, OSError where the handshake fails.
    """
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((target.host, target.port), CONNECT_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=target.server_name) as tls,
    ):
        if tls.selected_alpn_protocol() != "h2":
            return []
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1")
        connection = h2.connection.H2Connection(config)
        connection.initiate_connection()
        return [_exchange(target, tls, connection, request, time.monotonic() + timeout) for request in requests]


def _read(tls: ssl.SSLSocket, until: float) -> bytes:
    """What comes next. Raises TimeoutError at that moment, also where a little comes again and again."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    tls.settimeout(left)
    return tls.recv(_READ)


def _exchange(
    target: Target, tls: ssl.SSLSocket, connection: h2.connection.H2Connection, request: Request, until: float
) -> Reply:
    stream = connection.get_next_available_stream_id()
    headers = [
        (":method", request.method), (":scheme", "https"), (":authority", target.server_name), (":path", request.path),
        ("user-agent", AGENT), ("accept", "*/*"),
    ]  # fmt: skip
    if request.length is not None:
        headers.append(("content-length", str(request.length)))
    connection.send_headers(stream, headers, end_stream=request.length is None)
    tls.sendall(connection.data_to_send())
    reply, said = Reply(), ""
    try:
        while data := _read(tls, until):
            ended = False
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream:
                    reply.headers = [(str(name), str(value)) for name, value in event.headers]
                    reply.status = int(reply.value(":status"))
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    reply.body += event.data
                elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset) and event.stream_id == stream:
                    ended = True
            tls.sendall(connection.data_to_send())
            if ended:
                break
    except (OSError, h2.exceptions.ProtocolError) as error:
        said = f" ({error})"
    if not reply.status:
        raise TargetError(f"{target.label} does not answer {request.label} over HTTP/2{said}.")
    if request.length is not None:
        # Its other half is still open on this side.
        connection.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
    return reply
