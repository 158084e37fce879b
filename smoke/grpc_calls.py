"""gRPC's health check over TLS for proofs: one call after the other, and all that is to be known of each answer."""

from __future__ import annotations

import asyncio

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from nordgate.errors import TargetError
from smoke.engine import grpc
from smoke.engine.connection_errors import CONNECT_TIMEOUT
from smoke.engine.job import HEALTH_CHECK, HTTP2
from smoke.http1 import Reply, Target, why

_CHUNK = 1 << 16


class Calls:
    """A connection for calls in a row. Trailers are among the headers of an answer."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target, self._reader, self._writer = target, reader, writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
        self._h2.initiate_connection()

    @staticmethod
    async def open(target: Target) -> Calls:
        """Connect. Raises TargetError when there is no connection, or none of HTTP/2."""
        target.context.set_alpn_protocols([HTTP2])
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                streams = await asyncio.open_connection(
                    target.host, target.port, ssl=target.context, server_hostname=target.server_name
                )
        except (OSError, TimeoutError) as error:
            raise TargetError(why(target, error)) from None
        finally:
            target.context.set_alpn_protocols(["http/1.1"])  # the context is that of all proofs
        return Calls(target, *streams)

    async def call(self, timeout: float = 10) -> Reply:
        """Ask for the server's health. The status is 200 only when it is SERVING; 0 when there is none of HTTP's.

        Raises TargetError when there is no answer.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._call()
        except TimeoutError:
            late = f"{self._target.label} does not answer {HEALTH_CHECK} within {timeout:.0f} s."
            raise TargetError(late) from None
        except (OSError, h2.exceptions.ProtocolError):
            closes = f"{self._target.label} closes the connection instead of answering {HEALTH_CHECK}."
            raise TargetError(closes) from None

    async def _call(self) -> Reply:
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, grpc.headers(self._target.server_name, "https"))
        self._h2.send_data(stream, grpc.MESSAGE, end_stream=True)
        reply = Reply()
        while True:
            self._writer.write(self._h2.data_to_send())
            await self._writer.drain()
            data = await self._reader.read(_CHUNK)
            if not data:
                raise ConnectionResetError
            for event in self._h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    reply.headers += [(str(name), str(value)) for name, value in event.headers]
                elif isinstance(event, h2.events.DataReceived):
                    reply.body += event.data
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    raise ConnectionResetError
                elif isinstance(event, h2.events.StreamEnded):
                    return self._judged(reply)

    def _judged(self, reply: Reply) -> Reply:
        grpc_status = reply.value("grpc-status").encode() or None
        found = grpc.outcome(int(reply.value(":status")), grpc_status, reply.body)
        reply.status, reply.said = (found, "") if isinstance(found, int) else (0, found)
        return reply

    def close(self) -> None:
        """End the connection."""
        self._writer.transport.abort()


async def health(target: Target) -> Reply:
    """One call on a connection of its own."""
    calls = await Calls.open(target)
    try:
        return await calls.call()
    finally:
        calls.close()
