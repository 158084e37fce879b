"""Upstreams for tests: an API that tells what it was asked, one that hangs up, and an echoing socket."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.render.authority import Pair


@dataclass
class Backends:
    """What the backends were asked, in order: address, method, path."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)
    delay: float = 0
    """Seconds before each answer."""
    hung: set[str] = field(default_factory=set)
    """Addresses whose servers accept connections and answer nothing."""
    fail_every: int = 0
    """Each so many-th request is answered with 500; 0: none."""

    def asked_for(self, path: str) -> list[tuple[str, str]]:
        return [(address, method) for address, method, seen in self.asked if seen == path]


@contextmanager
def started() -> Iterator[Backends]:
    """All of them, listening; ended with the block."""
    told = Backends()
    with ExitStack() as stack:
        for address in ("127.0.0.2", "127.0.0.3"):
            stack.enter_context(_serving((address, 9001), _handler(told, answers=True)))
            stack.enter_context(_serving((address, 9002), _handler(told, answers=False)))
        stack.enter_context(_echo_socket(("127.0.0.5", 9003)))
        yield told


@contextmanager
def serving(told: Backends, *addresses: tuple[str, int]) -> Iterator[None]:
    """The API at each of the addresses."""
    with ExitStack() as stack:
        for address in addresses:
            stack.enter_context(_serving(address, _handler(told, answers=True)))
        yield


@contextmanager
def started_with_tls(address: tuple[str, int], pair: Pair) -> Iterator[tuple[Backends, list[str | None]]]:
    """One that answers over TLS, and the name that each handshake asked for."""
    told, names = Backends(), list[str | None]()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with _serving(address, _handler(told, answers=True), context):
        yield told, names


class _Server(ThreadingHTTPServer):
    def handle_error(self, *asked: Any) -> None:
        """A client that is gone is no error of a backend, and some tests end many."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*asked)


@contextmanager
def _serving(
    address: tuple[str, int], handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[None]:
    server = _Server(address, handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _handler(told: Backends, answers: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            length = self._take()
            address = self.connection.getsockname()[0]
            while address in told.hung:
                time.sleep(0.05)
            told.asked.append((address, self.command, self.path))
            if not answers:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            headers = self.headers.items()
            asked = parse_qs(urlsplit(self.path).query)
            seen = {"server": address, "port": self.client_address[1], "length": length}
            seen |= {"headers": dict(headers), "pairs": list(headers)}
            body = json.dumps(seen).encode() + b" " * int(asked.get("pad", ["0"])[0])
            time.sleep(told.delay)
            failed = told.fail_every and len(told.asked) % told.fail_every == 0
            self.send_response(500 if failed else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Powered-By", "tests")
            for said in asked.get("say", []):
                name, _, value = said.partition(":")
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _take(self) -> int:
            """Read the request's body, and say how long it was."""
            if self.headers.get("Transfer-Encoding") != "chunked":
                return len(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            total = 0
            while size := int(self.rfile.readline() or b"0", 16):
                total += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return total

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def _echo_socket(address: tuple[str, int]) -> Iterator[None]:
    """Upgrades one connection after the other, then sends back whatever comes."""
    listener = socket.create_server(address)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                names = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
                guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                digest = hashlib.sha1((names["Sec-WebSocket-Key"] + guid).encode(), usedforsecurity=False).digest()
                accept = base64.b64encode(digest).decode()
                connection.sendall(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
                )
                while data := connection.recv(4096):
                    connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.close()
