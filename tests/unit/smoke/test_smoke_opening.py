"""Many connections take long to open: those that are open already stay so."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from smoke.engine import connection_pool
from smoke.engine.job import HTTP1, Endpoint
from smoke.engine.reactor import Reactor

PATIENCE = 0.8
"""Seconds for which this server waits for a first request; as nginx does by `client_header_timeout`."""
CONNECTIONS = 20


@dataclass
class Impatient:
    """A server that ends a connection over which nothing is asked, and counts those."""

    listener: socket.socket
    ended: list[int] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            try:
                connection, (_, port) = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection, port), daemon=True).start()

    def _talk(self, connection: socket.socket, port: int) -> None:
        connection.settimeout(PATIENCE)
        with connection:
            try:
                while connection.recv(4096):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    connection.settimeout(60)
            except TimeoutError:
                self.ended.append(port)
            except OSError:
                return


@pytest.fixture
def impatient() -> Iterator[Impatient]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Impatient(listener)
        threading.Thread(target=server.serve, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


def test_a_connection_waits_for_the_others_without_being_ended(
    impatient: Impatient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "_OPENING", 1)
    monkeypatch.setattr(connection_pool, "_IDLE", 0.2)
    connect = connection_pool.ConnectionPool._connect

    def slowly(self: connection_pool.ConnectionPool) -> None:
        time.sleep(PATIENCE * 3 / CONNECTIONS)
        connect(self)

    monkeypatch.setattr(connection_pool.ConnectionPool, "_connect", slowly)
    endpoint = Endpoint("127.0.0.1", impatient.listener.getsockname()[1], "x", "/", HTTP1, tls=False)
    reactor = Reactor()
    try:
        opened = connection_pool.ConnectionPool(reactor, endpoint, CONNECTIONS, 1)
        opened.open()
        assert impatient.ended == []
        assert opened.connections_since() == (0, 0)
    finally:
        reactor.close()
