"""One endpoint's connections: opened before the measurement, used in turn, replaced when they end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from smoke.engine.connection_errors import CONNECT_TIMEOUT, Unreachable, explain
from smoke.engine.exchange import Answered, Exchange, Http1, Http2, ProtocolBroken, RequestInFlight
from smoke.engine.grpc import HealthCheck
from smoke.engine.job import HEALTH_CHECK, HTTP2, Endpoint
from smoke.engine.reactor import Channel, Closed, Reactor, Refused, clock
from smoke.engine.sockets import resolve
from smoke.engine.tls import tls_context

_OPENING = 64
"""So many handshakes at once while the connections are opened: a listen backlog is not what is measured."""
_IDLE = 5.0
"""Seconds for which an open connection asks nothing while others are opened. Servers wait longer for a first one."""
_PAUSE = 0.05
"""Seconds between attempts to replace a connection."""
_RESET_WITHIN = 1.0
"""Seconds within which a server that has closed a connection refuses what was under way to it: a round trip."""


class GivenUp(Exception):
    """Ended by this side, which waits no longer for an answer."""


class ConnectionPool:
    """Sends requests to one endpoint and says what became of each.

    `answered` is called with a request, when it was answered and the status; `failed` with a request and a reason.
    """

    def __init__(self, reactor: Reactor, endpoint: Endpoint, connections: int, streams: int) -> None:
        self.answered: Answered = lambda *_: None
        self.failed: Callable[[RequestInFlight, str], None] = lambda *_: None
        self._reconnects = self._lost_connections = 0
        self._reactor, self._endpoint, self._streams = reactor, endpoint, streams
        self._wanted = connections
        self._family, self._address = resolve(endpoint)
        self._context = (
            tls_context(endpoint.authorities, endpoint.insecure, endpoint.protocol) if endpoint.tls else None
        )
        self._channels: dict[Exchange, Channel] = {}
        self._opening: dict[Channel, Exchange] = {}
        self._free: deque[Exchange] = deque()
        """A connection once for every request that it can take."""
        self._fresh: list[Exchange] = []
        """Open, and not yet used."""
        self._complete = False
        """Whether all have been opened; what comes afterwards replaces another."""
        self._waiting: deque[RequestInFlight] = deque()
        self._retry_at: list[float] = []
        self._leaving: dict[Channel, float] = {}
        """Closed by the server with a request under way, and until when that may have been refused."""
        self._trouble: Counter[str] = Counter()

    def open(self) -> None:
        """Open every connection. Raises Unreachable when one cannot be."""
        asked = clock()
        while len(self._channels) < self._wanted:
            if clock() - asked > _IDLE:
                self._take_in(ask=True)
                asked = clock()
            while len(self._opening) < min(_OPENING, self._wanted - len(self._channels)):
                self._connect()
            self._reactor.wait(clock() + 0.1)
            self._give_up_connecting()
            if self._trouble:
                raise Unreachable(next(iter(self._trouble)))
        self._retry_at.clear()
        self._complete = True
        self._take_in(ask=False)

    def connections_since(self) -> tuple[int, int]:
        """How many connections had to be replaced since this was last asked, and how many of them were lost.

        Lost means: not ended by this side, and ended by the server without a word.
        """
        found = self._reconnects, self._lost_connections
        self._reconnects = self._lost_connections = 0
        return found

    def send(self, in_flight: RequestInFlight) -> None:
        """Send a request now, or as soon as a connection can take it."""
        while self._free:
            exchange = self._free.popleft()
            channel = self._channels.get(exchange)
            if channel is not None and not exchange.ended:
                in_flight.exchange = exchange
                channel.send(exchange.request(in_flight))
                return
        self._waiting.append(in_flight)

    def give_up(self, in_flight: RequestInFlight) -> None:
        """Wait for it no longer."""
        in_flight.done = True
        if in_flight.exchange is None:
            return  # `_next` passes over it
        channel = self._channels.get(in_flight.exchange)
        farewell = in_flight.exchange.cancel(in_flight)
        if channel is None:
            return
        if farewell is None:
            channel.fail(GivenUp())
        else:
            channel.send(farewell)
            self._freed(in_flight.exchange)

    def sweep(self) -> None:
        """What need not happen at once: replace connections."""
        now = clock()
        self._give_up_connecting()
        for channel in [channel for channel, until in self._leaving.items() if until < now]:
            channel.fail(Closed("the server has closed the connection instead of answering"))
        due = [moment for moment in self._retry_at if moment <= now]
        self._retry_at = [moment for moment in self._retry_at if moment > now]
        for _ in due:
            self._connect()

    def _connect(self) -> None:
        channel = Channel(self._reactor, self._family, self._address, self._context, self._endpoint.name)
        over_http2 = HealthCheck if self._endpoint.path == HEALTH_CHECK else Http2
        exchange: Exchange = (
            over_http2(self._endpoint, self._reply, self._streams)
            if self._endpoint.protocol == HTTP2
            else Http1(self._endpoint, self._reply)
        )
        self._opening[channel] = exchange
        channel.opened = lambda: self._opened(channel, exchange)
        channel.received = lambda data: self._received(channel, exchange, data)
        channel.left = lambda: self._left(channel, exchange)
        channel.lost = lambda error: self._lost(channel, exchange, error)

    def _opened(self, channel: Channel, exchange: Exchange) -> None:
        if self._endpoint.tls and self._endpoint.protocol == HTTP2 and channel.protocol != HTTP2:
            channel.close()
            del self._opening[channel]
            self._trouble[f"{self._endpoint.label} does not offer HTTP/2 (ALPN {HTTP2})."] += 1
            return
        if begin := exchange.begin():
            channel.send(begin)
        if exchange.slots:
            self._usable(channel, exchange)

    def _usable(self, channel: Channel, exchange: Exchange) -> None:
        del self._opening[channel]
        self._channels[exchange] = channel
        self._fresh.append(exchange)
        if self._complete:
            self._take_in(ask=False)

    def _take_in(self, ask: bool) -> None:
        """Let requests use the connections that have come; with `ask` after one whose answer nobody counts.

        A server ends a connection over which nothing is asked for long.
        """
        fresh, self._fresh = self._fresh, []
        for exchange in fresh:
            channel = self._channels.get(exchange)
            if channel is not None and not exchange.ended:
                if ask:
                    in_flight = RequestInFlight(clock())
                    in_flight.done, in_flight.exchange = True, exchange
                    channel.send(exchange.request(in_flight))
                for _ in range(exchange.slots - ask):
                    self._freed(exchange)

    def _received(self, channel: Channel, exchange: Exchange, data: bytes) -> None:
        try:
            reply = exchange.receive(data)
        except ProtocolBroken as error:
            channel.fail(error)
            return
        if reply:
            channel.send(reply)
        if channel in self._opening and exchange.slots:
            self._usable(channel, exchange)
        if exchange.ended and not exchange.unanswered():
            channel.fail(Closed())

    def _reply(self, in_flight: RequestInFlight, status: int | str) -> None:
        exchange = in_flight.exchange
        if not in_flight.done:
            in_flight.done = True
            self.answered(in_flight, status)
        if exchange is not None:
            self._freed(exchange)

    def _freed(self, exchange: Exchange) -> None:
        if exchange.ended:
            return
        self._free.append(exchange)
        while self._waiting and self._free:
            in_flight = self._waiting.popleft()
            if not in_flight.done:
                self.send(in_flight)
                return

    def _left(self, channel: Channel, exchange: Exchange) -> None:
        """The server has ended the connection in order. Whether it has read the request, only its kernel tells."""
        exchange.ended = True
        if exchange.may_have_crossed and self._endpoint.tls:
            self._leaving[channel] = clock() + _RESET_WITHIN
            channel.await_reset()
        else:
            channel.fail(Closed("the server has closed the connection"))

    def _lost(self, channel: Channel, exchange: Exchange, error: Exception) -> None:
        self._leaving.pop(channel, None)
        unfinished = exchange.unanswered()
        orderly = isinstance(error, Closed | GivenUp) if exchange.announced is None else exchange.announced
        exchange.ended = True
        if self._opening.pop(channel, None) is not None:
            self._trouble[explain(self._endpoint, error)] += 1
            self._lost_connections += 1
            self._retry_at.append(clock() + _PAUSE)
            return
        if self._channels.pop(exchange, None) is None:
            return
        self._reconnects += 1
        self._lost_connections += not orderly
        self._connect()
        # Without TLS there is no more than the FIN; every client repeats a GET then (RFC 9112, 9.3.1).
        crossed = exchange.may_have_crossed and isinstance(error, Closed if not self._endpoint.tls else Refused)
        for in_flight, never_taken in unfinished:
            if in_flight.done:
                continue
            if crossed or never_taken:
                self._waiting.appendleft(in_flight)
            else:
                in_flight.done = True
                self.failed(in_flight, "connection closed unanswered" if orderly else "connection lost")
        while self._waiting and self._free:
            in_flight = self._waiting.popleft()
            if not in_flight.done:
                self.send(in_flight)

    def _give_up_connecting(self) -> None:
        oldest = clock() - CONNECT_TIMEOUT
        for channel in [channel for channel in self._opening if channel.begun < oldest]:
            channel.fail(TimeoutError())
