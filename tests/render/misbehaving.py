"""Servers that do, on the paths that say so, whatever nginx could hold against them, and answer all other paths."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded

HTTP_PORT, GRPC_PORT = 9101, 9102
ADDRESSES = ("127.0.0.2", "127.0.0.3")
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SILENCE = 8.0
"""Seconds: longer than any time-out of the gateways under test."""


def _head(kibibytes: int) -> bytes:
    lines = "".join(f"X-Filler-{number}: {'x' * 1000}\r\n" for number in range(kibibytes))
    return GOOD.replace(b"\r\n", b"\r\nConnection: close\r\n" + lines.encode(), 1)


def _status(code: int) -> bytes:
    # Announced: a connection that nginx keeps and finds closed is another fault.
    return f"HTTP/1.1 {code} Told\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()


HTTP: dict[str, bytes | None] = {
    "head-of-60k": _head(60),
    "head-of-28k": _head(28),
    "bad-header": b"HTTP/1.1 200 OK\r\nX-\x00: 1\r\nContent-Length: 2\r\n\r\nok",
    "no-answer": b"",
    "cut-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "silence": None,
    "status-502": _status(502),
    "status-503": _status(503),
    "status-504": _status(504),
}
"""By the last part of a path: what is sent; None: nothing, and the connection stays open."""
ENDING = ("bad-header", "no-answer", "cut-head")
"""After these the connection ends. After a whole answer it stays: nginx may use it again."""


@contextmanager
def misbehaving() -> Iterator[None]:
    """Both servers, for HTTP and for gRPC."""
    with ExitStack() as stack:
        for address in ADDRESSES:
            stack.enter_context(_serving((address, HTTP_PORT), _Http))
            stack.enter_context(_serving((address, GRPC_PORT), _Grpc))
        yield


@contextmanager
def _serving(address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> Iterator[None]:
    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
        request_queue_size = 128

    with Server(address, handler) as server:
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield
        server.shutdown()


class _Http(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = self.request.recv(65536)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            deed = head.split(b" ", 2)[1].rpartition(b"/")[2].decode()
            if deed == "slow-upload":
                threading.Event().wait(_SILENCE)
                return
            if deed == "refused-upload":
                # Ends while the body is on its way, unread: the kernel resets the connection.
                return
            answer = HTTP.get(deed, GOOD)
            if answer is None:
                threading.Event().wait(_SILENCE)
                return
            self.request.sendall(answer)
            if deed in ENDING:
                return


class _Grpc(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        self.request.sendall(connection.data_to_send())
        paths: dict[int, str] = {}
        while data := self.request.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    paths[event.stream_id] = {str(name): str(value) for name, value in event.headers}[":path"]
                elif isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    deed = paths[event.stream_id].rpartition("/")[2]
                    if GRPC.get(deed, _call_answered)(connection, event.stream_id):
                        self.request.sendall(connection.data_to_send())
                        return
                elif isinstance(event, ConnectionTerminated):
                    return
            self.request.sendall(connection.data_to_send())


def _call_answered(connection: H2Connection, stream: int, *more: tuple[str, str]) -> bool:
    connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc"), *more])
    connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)
    return False


def _head_of(kibibytes: int) -> Callable[[H2Connection, int], bool]:
    filler = [(f"x-filler-{number}", "x" * 1000) for number in range(kibibytes)]
    return lambda connection, stream: _call_answered(connection, stream, *filler)


def _reset(connection: H2Connection, stream: int) -> bool:
    connection.reset_stream(stream, error_code=7)
    return False


def _goes_away(connection: H2Connection, _: int) -> bool:
    connection.close_connection(error_code=2, last_stream_id=0)
    return True


def _unavailable(connection: H2Connection, stream: int) -> bool:
    connection.send_headers(stream, [(":status", "503")], end_stream=True)
    return False


GRPC: dict[str, Callable[[H2Connection, int], bool]] = {
    "head-of-60k": _head_of(60),
    "head-of-28k": _head_of(28),
    "reset": _reset,
    "goes-away": _goes_away,
    "closed": lambda _connection, _stream: True,
    "silence": lambda _connection, _stream: False,
    "status-503": _unavailable,
}
"""By the name of a method: what becomes of a call; true: the connection ends."""
