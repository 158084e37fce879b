"""A forward into a lab ends connections as they end there: what nobody has read is refused, the rest arrives."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

Pair = Callable[[], tuple[socket.socket, socket.socket]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Makes connections through a forward: the client's end and the server's."""
    with contextlib.ExitStack() as stack:
        outside, inside = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        words = [sys.executable, "-m", "lab.forward", f"{outside.fileno()}=127.0.0.1:{inside.getsockname()[1]}"]
        process = stack.enter_context(subprocess.Popen(words, pass_fds=[outside.fileno()]))
        stack.callback(process.kill)

        def connected() -> tuple[socket.socket, socket.socket]:
            client = stack.enter_context(socket.create_connection(outside.getsockname(), timeout=10))
            server, _ = inside.accept()
            return client, stack.enter_context(server)

        yield connected


def read(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def error_of(client: socket.socket, within: float) -> int:
    """Of a connection that has ended: the reset that came for what was sent, if one comes."""
    for _ in range(int(within / 0.05)):
        if number := client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return number
        time.sleep(0.05)
    return 0


def test_a_large_answer_arrives_whole_though_the_server_ends_the_connection(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"x")
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b"x"
    whole = b"y" * 20_000_000

    def answer() -> None:
        server.sendall(whole)
        server.close()

    thread = threading.Thread(target=answer)
    thread.start()
    assert read(client) == whole
    thread.join()


@pytest.mark.parametrize(("late", "refused"), [(b"late", True), (b"", False)], ids=["crosses the end", "was read"])
def test_a_request_that_crosses_the_end_is_refused(pair: Pair, late: bytes, refused: bool) -> None:
    client, server = pair()
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    server.sendall(b"bye")
    server.close()
    client.sendall(late)
    assert client.recv(10) == b"bye"
    assert (error_of(client, 5 if refused else 0.6) != 0) is refused
