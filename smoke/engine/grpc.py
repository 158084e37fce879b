"""gRPC's health checking, grpc.health.v1.Health/Check: what a server that speaks nothing but gRPC can be asked."""

from __future__ import annotations

import h2.events

from smoke.engine.exchange import Answered, Http2, RequestInFlight
from smoke.engine.job import AGENT, HEALTH_CHECK, Endpoint

MESSAGE = b"\0\0\0\0\0"
"""A request for the health of the whole server: uncompressed, of no bytes, since every field is at its default."""

_SERVING = b"\0\0\0\0\x02\x08\x01"
_STATES = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
"""Of the enumeration ServingStatus; 1 is SERVING."""


def headers(authority: str, scheme: str) -> list[tuple[bytes, bytes]]:
    """Of one such call."""
    pairs = (
        (":method", "POST"), (":scheme", scheme), (":authority", authority), (":path", HEALTH_CHECK),
        ("user-agent", AGENT), ("te", "trailers"), ("content-type", "application/grpc"),
    )  # fmt: skip
    return [(name.encode(), value.encode()) for name, value in pairs]


def outcome(status: int, grpc_status: bytes | None, body: bytes) -> int | str:
    """200 for a server that says it is SERVING; otherwise what it says, or its HTTP status where that is an error."""
    if status != 200:
        return status
    if grpc_status != b"0":
        return f"200, grpc-status {grpc_status.decode('latin-1') if grpc_status else 'missing'}"
    if body == _SERVING:
        return 200
    state = 0 if body == MESSAGE else body[6] if len(body) == 7 else None
    return f"200, {_STATES.get(state, 'no health') if state is not None else 'no health'}"


class HealthCheck(Http2):
    """Every request is a health check of gRPC's: a POST with one message, answered with another and with trailers."""

    def __init__(self, endpoint: Endpoint, answered: Answered, streams: int) -> None:
        super().__init__(endpoint, answered, streams)
        self._headers = headers(endpoint.name, "https" if endpoint.tls else "http")
        self._bodies: dict[int, bytes] = {}
        self._grpc_statuses: dict[int, bytes] = {}

    def request(self, in_flight: RequestInFlight) -> bytes:
        """The bytes of one more call."""
        stream = self._h2.get_next_available_stream_id()
        self._underway[stream] = in_flight
        self._h2.send_headers(stream, self._headers)
        self._h2.send_data(stream, MESSAGE, end_stream=True)
        return self._h2.data_to_send()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            # Without a message the status comes with the headers and not in trailers.
            if (found := dict(event.headers).get(b"grpc-status")) is not None:
                self._grpc_statuses[event.stream_id] = found
        elif isinstance(event, h2.events.DataReceived):
            self._bodies[event.stream_id] = self._bodies.get(event.stream_id, b"") + event.data
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            stream = event.stream_id
            grpc_status, body = self._grpc_statuses.pop(stream, None), self._bodies.pop(stream, b"")
            if stream in self._statuses:
                self._statuses[stream] = outcome(int(self._statuses[stream]), grpc_status, body)
        if not isinstance(event, h2.events.TrailersReceived):
            super()._take(event)
