"""The little of libvirt's daemon that the provider needs to count itself connected, on a socket of a test's."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

_OPEN, _AUTH_LIST, _DEVICE_BY_NAME, _DEVICE_XML, _VERSION = 1, 66, 113, 114, 157
_COMPUTER = """<device><name>computer</name><capability type='system'><hardware>
<uuid>{uuid}</uuid></hardware></capability></device>"""


@contextlib.contextmanager
def libvirt_socket(path: Path, uuid: str) -> Iterator[None]:
    """A daemon on a machine with that UUID, until the block ends."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=_serve, args=(connection, uuid), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)


def _serve(connection: socket.socket, uuid: str) -> None:
    answers = {
        _OPEN: b"",
        _AUTH_LIST: struct.pack(">II", 1, 0),
        _VERSION: struct.pack(">Q", 9_000_000),
        _DEVICE_BY_NAME: _text("computer") + _text(""),
        _DEVICE_XML: _text(_COMPUTER.format(uuid=uuid)),
    }
    with connection, connection.makefile("rb") as asked, contextlib.suppress(OSError):
        while head := asked.read(28):
            size, program, version, procedure, _, serial, _ = struct.unpack(">7I", head)
            asked.read(size - 28)
            answer = answers.get(procedure)
            body = b"" if answer is None else answer
            status = 0 if answer is not None else 1
            connection.sendall(
                struct.pack(">7I", 28 + len(body), program, version, procedure, 1, serial, status) + body
            )


def _text(value: str) -> bytes:
    """In XDR: the length, then the bytes, filled up to a multiple of four."""
    data = value.encode()
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)
