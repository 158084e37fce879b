"""Requests and answers as bytes: HTTP/1.1 one at a time on a connection, HTTP/2 many. No socket in here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import h11

from smoke.engine.job import AGENT, Endpoint

_WINDOW = 1 << 20


class ProtocolBroken(Exception):
    """The server sent what its protocol does not allow."""


class RequestInFlight:
    """One request: when it was meant to leave, and what became of it."""

    __slots__ = ("done", "exchange", "intended")

    def __init__(self, intended: float) -> None:
        self.intended = intended
        self.done = False
        self.exchange: Exchange | None = None


Answered = Callable[[RequestInFlight, int | str], None]
"""Called with a request and the status of its answer, once all of it is there. 0: the server reset the stream. A text:
the status, and what is wrong with the answer all the same."""


class Exchange(Protocol):
    """One connection's requests and answers."""

    slots: int
    """How many requests may be under way at once; 0 until the server has said so."""
    ended: bool
    """Whether the server takes no further request on this connection."""
    answers: int
    announced: bool | None
    """Whether the server has said, in the protocol's own words, that it ends the connection; False: for an error."""

    @property
    def may_have_crossed(self) -> bool:
        """Whether the server may have closed the connection before it knew of the request that is under way."""

    def begin(self) -> bytes:
        """What to send when the connection opens."""

    def request(self, in_flight: RequestInFlight) -> bytes:
        """What to send for one more request."""

    def receive(self, data: bytes) -> bytes:
        """Take what came; what to send in return. Raises ProtocolBroken."""

    def cancel(self, in_flight: RequestInFlight) -> bytes | None:
        """Forget a request; what to send for it, or None where only closing the connection helps."""

    def unanswered(self) -> list[tuple[RequestInFlight, bool]]:
        """What is under way, and whether the server has said that it will not take it."""


class Http1:
    """HTTP/1.1 with kept-alive connections."""

    def __init__(self, endpoint: Endpoint, answered: Answered) -> None:
        self.slots, self.ended, self.answers = 1, False, 0
        self.announced: bool | None = None
        self._answered = answered
        self._h11 = h11.Connection(h11.CLIENT)
        headers = [("Host", endpoint.name), ("User-Agent", AGENT), ("Accept", "*/*")]
        self._request = h11.Request(method="GET", target=endpoint.path, headers=headers)
        self._in_flight: RequestInFlight | None = None
        self._begun = False
        self._status = 0

    @property
    def may_have_crossed(self) -> bool:
        """Whether the server may have closed the connection before it had read the request."""
        # A connection that is closed for being idle was used before.
        return self._in_flight is not None and self.answers > 0 and not self._begun

    def begin(self) -> bytes:
        """What is sent first on a new connection."""
        return b""

    def request(self, in_flight: RequestInFlight) -> bytes:
        """The bytes of one more request."""
        self._in_flight, self._begun = in_flight, False
        head = self._h11.send(self._request) or b""
        self._h11.send(h11.EndOfMessage())
        return head

    def receive(self, data: bytes) -> bytes:
        """Take what the server sent; what is to be sent in return. Raises ProtocolBroken."""
        self._begun = True
        try:
            self._h11.receive_data(data)
            while True:
                event = self._h11.next_event()
                if isinstance(event, h11.Response):
                    self._status = event.status_code
                elif isinstance(event, h11.EndOfMessage):
                    self._finish()
                elif event is h11.NEED_DATA or event is h11.PAUSED:
                    return b""
                elif isinstance(event, h11.ConnectionClosed):
                    self.ended = True
                    return b""
        except h11.RemoteProtocolError as error:
            raise ProtocolBroken(str(error)) from None

    def _finish(self) -> None:
        in_flight, self._in_flight = self._in_flight, None
        if self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self.ended = self.announced = True
        self.answers += 1
        if in_flight is not None:
            self._answered(in_flight, self._status)

    def cancel(self, in_flight: RequestInFlight) -> None:
        """Give a request up: None, as only the end of the connection ends it."""
        if self._in_flight is in_flight:
            self._in_flight = None

    def unanswered(self) -> list[tuple[RequestInFlight, bool]]:
        """The requests without an answer, and whether the server has surely not taken each up."""
        return [(self._in_flight, False)] if self._in_flight else []


class Http2:
    """HTTP/2: many streams on one connection."""

    may_have_crossed = False
    """A server that ends an HTTP/2 connection says which streams it has taken (RFC 9113, 6.8)."""

    def __init__(self, endpoint: Endpoint, answered: Answered, streams: int) -> None:
        self.slots, self.ended, self.answers = 0, False, 0
        self.announced: bool | None = None
        self._answered = answered
        self._streams = streams
        # What leaves is ours and known to be right: checking it for every request would be measured.
        config = h2.config.H2Configuration(
            client_side=True, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._h2 = h2.connection.H2Connection(config)
        scheme = "https" if endpoint.tls else "http"
        self._headers = [
            (name.encode(), value.encode())
            for name, value in (
                (":method", "GET"), (":scheme", scheme), (":authority", endpoint.name), (":path", endpoint.path),
                ("user-agent", AGENT), ("accept", "*/*"),
            )
        ]  # fmt: skip
        self._underway: dict[int, RequestInFlight] = {}
        self._statuses: dict[int, int | str] = {}
        self._last_taken: int | None = None

    def begin(self) -> bytes:
        """What is sent first on a new connection."""
        self._h2.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.ENABLE_PUSH: 0}
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        return self._h2.data_to_send()

    def request(self, in_flight: RequestInFlight) -> bytes:
        """The bytes of one more request."""
        stream = self._h2.get_next_available_stream_id()
        self._underway[stream] = in_flight
        self._h2.send_headers(stream, self._headers, end_stream=True)
        return self._h2.data_to_send()

    def receive(self, data: bytes) -> bytes:
        """Take what the server sent; what is to be sent in return. Raises ProtocolBroken."""
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
        except h2.exceptions.ProtocolError as error:
            raise ProtocolBroken(str(error)) from None
        return self._h2.data_to_send()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self._statuses[event.stream_id] = int(dict(event.headers)[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self._finish(event.stream_id, self._statuses.pop(event.stream_id, 0))
        elif isinstance(event, h2.events.StreamReset):
            self._finish(event.stream_id, 0)
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.slots = min(self._streams, self._h2.remote_settings.max_concurrent_streams)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.ended, self._last_taken = True, event.last_stream_id
            self.announced = event.error_code == h2.errors.ErrorCodes.NO_ERROR
            # h2 would refuse the answers that still come: RFC 9113, 6.8, lets streams that were taken go on.
            self._h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN

    def _finish(self, stream: int, status: int | str) -> None:
        self.answers += 1
        in_flight = self._underway.pop(stream, None)
        if in_flight is not None:
            self._answered(in_flight, status)

    def cancel(self, in_flight: RequestInFlight) -> bytes | None:
        """Give a request up; the bytes that end its stream."""
        for stream, waiting in self._underway.items():
            if waiting is in_flight:
                del self._underway[stream]
                self._h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
                return self._h2.data_to_send()
        return b""

    def unanswered(self) -> list[tuple[RequestInFlight, bool]]:
        """The requests without an answer, and whether the server has surely not taken each up."""
        last = self._last_taken
        return [(in_flight, last is not None and stream > last) for stream, in_flight in self._underway.items()]
