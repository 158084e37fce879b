"""Leads connections from sockets that listen outside the lab's network to addresses inside it.

The sockets are inherited: they were opened in the machine's network namespace and keep belonging to it, while
connections made here start inside the lab. (socat learned to take such a socket only after Debian 12's.)
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys

_CHUNK = 1 << 16
_RESET_WITHIN = 0.2
"""Seconds within which a guest that has closed a connection refuses what came for it meanwhile."""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    with contextlib.closing(writer):
        try:
            async with asyncio.timeout(5):
                inner_reader, inner_writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return  # the guest does not listen yet: the caller sees its connection end
        with contextlib.closing(inner_writer):
            there = asyncio.create_task(_pump(reader, inner_writer))
            # When the server has said its last word, it is over: a client must not wait for a close that never comes.
            await _pump(inner_reader, writer)
            await asyncio.sleep(_RESET_WITHIN)
            there.cancel()
            if _was_reset(inner_writer):
                # As without a forward in between: a client may ask again what nobody has read.
                outer: socket.socket = writer.get_extra_info("socket")
                outer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()


def _was_reset(writer: asyncio.StreamWriter) -> bool:
    """Whether a reset has come: it is kept as the socket's error, or asyncio met it and has closed the socket."""
    inner: socket.socket = writer.get_extra_info("socket")
    return inner.fileno() < 0 or inner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


async def _serve(forwards: list[str]) -> None:
    servers = []
    for forward in forwards:
        descriptor, _, target = forward.partition("=")
        host, _, port = target.rpartition(":")

        async def connected(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str = host, port: int = int(port)
        ) -> None:
            await _connection(reader, writer, host, port)

        servers.append(await asyncio.start_server(connected, sock=socket.socket(fileno=int(descriptor))))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
