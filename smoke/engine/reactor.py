"""Sockets and time: epoll with timers of microseconds, and non-blocking connections over it.

asyncio would do; its TLS costs a request two to three times the processor time, which is latency here.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

clock = time.monotonic
_READ = 1 << 16


class Closed(ConnectionError):
    """The server has ended the connection in order: over TLS by a close_notify, without TLS by a FIN.

    A process that dies leaves a FIN or a reset, and no close_notify.
    """


class Refused(Closed):
    """And what was sent meanwhile was refused by a reset: nobody has read it."""


class Reactor:
    """Calls the connections that have something to do."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._channels: dict[int, Channel] = {}

    def wait(self, until: float) -> None:
        """Serve what is ready; if nothing is, wait for it until that moment at most."""
        pause = until - clock()
        if pause > 0:
            # epoll's own time-out counts in milliseconds, select's in microseconds, and epoll can be waited for.
            select.select([self._poll], [], [], pause)
        for number, _ in self._poll.poll(0):
            channel = self._channels.get(number)
            if channel is not None:
                channel.ready()

    def watch(self, channel: Channel, number: int, events: int) -> None:
        """Tell the channel of these events of the file with that number."""
        if number in self._channels:
            self._poll.modify(number, events)
        else:
            self._channels[number] = channel
            self._poll.register(number, events)

    def forget(self, number: int) -> None:
        """Tell nobody of that file any more."""
        if self._channels.pop(number, None) is not None:
            self._poll.unregister(number)

    def close(self) -> None:
        """Close every channel."""
        for channel in list(self._channels.values()):
            channel.close()
        self._poll.close()


class Channel:
    """A connection, from its first packet. `opened`, `received`, `left` and `lost` are for its user to replace.

    `left` is called when the server ends the connection in order: to `fail` it, or to `await_reset`.
    """

    def __init__(
        self, reactor: Reactor, family: int, address: Any, context: ssl.SSLContext | None = None, name: str = ""
    ) -> None:
        self.opened: Callable[[], None] = lambda: None
        self.received: Callable[[bytes], None] = lambda _: None
        self.left: Callable[[], None] = lambda: None
        self.lost: Callable[[Exception], None] = lambda _: None
        self.is_open = False
        self.closed = False
        self.begun = clock()
        self._reactor = reactor
        self._context, self._name = context, name
        self._unsent = b""
        self._socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._number = self._socket.fileno()
        self._connected = False
        self._leaving = False
        begun = self._socket.connect_ex(address)
        self._refused = 0 if begun == errno.EINPROGRESS else begun
        reactor.watch(self, self._number, select.EPOLLOUT)

    @property
    def protocol(self) -> str | None:
        """What ALPN agreed on."""
        return self._socket.selected_alpn_protocol() if isinstance(self._socket, ssl.SSLSocket) else None

    def send(self, data: bytes) -> None:
        """Send now what the socket takes, and the rest as soon as it takes more."""
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        except OSError as error:
            if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
                self.fail(error)
            # Else reset by the server, which may have said something before: reading tells, when the reactor calls.
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self._reactor.watch(self, self._number, select.EPOLLIN | select.EPOLLOUT)

    def close(self) -> None:
        """End it; nobody is told."""
        if not self.closed:
            self.closed, self.is_open = True, False
            self._reactor.forget(self._number)
            self._socket.close()

    def fail(self, error: Exception) -> None:
        """End it, and tell why."""
        if not self.closed:
            self.close()
            self.lost(error)

    def await_reset(self) -> None:
        """Read no more, and learn whether the server refuses what was sent: `lost` is then called with Refused."""
        self._leaving = True
        self._reactor.watch(self, self._number, 0)  # a reset is told all the same

    def ready(self) -> None:
        """Called by the reactor."""
        try:
            if self._leaving:
                raise Refused("the server has closed the connection, and refuses what was sent meanwhile")
            if self.is_open:
                self._flush()
                self._read()
            else:
                self._advance()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self.fail(error)

    def _advance(self) -> None:
        """One step of connecting and of the TLS handshake."""
        if not self._connected:
            number = self._refused or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))
            self._connected = True
            if self._context is not None:
                self._socket = self._context.wrap_socket(
                    self._socket,
                    server_hostname=self._name,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,  # an end without a close_notify is another one
                )
        if isinstance(self._socket, ssl.SSLSocket):
            try:
                self._socket.do_handshake()
            except ssl.SSLWantReadError:
                self._reactor.watch(self, self._number, select.EPOLLIN)
                raise
            except ssl.SSLWantWriteError:
                self._reactor.watch(self, self._number, select.EPOLLOUT)
                raise
        self._reactor.watch(self, self._number, select.EPOLLIN)
        self.is_open = True
        self.opened()

    def _flush(self) -> None:
        if self._unsent:
            data, self._unsent = self._unsent, b""
            self.send(data)
            if not self._unsent and not self.closed:
                self._reactor.watch(self, self._number, select.EPOLLIN)

    def _read(self) -> None:
        while not self.closed:
            data = self._socket.recv(_READ)
            if not data:
                self.left()
                return
            self.received(data)
            # What OpenSSL has decrypted already, epoll does not see.
            if self.closed or not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                return
