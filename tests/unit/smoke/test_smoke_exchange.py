"""What goes over a connection, without one: HTTP/1.1 and HTTP/2 as clients must take them."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import pytest

from smoke.engine.exchange import Http1, Http2, ProtocolBroken, RequestInFlight
from smoke.engine.job import HTTP2, Endpoint

ENDPOINT = Endpoint("127.0.0.1", 443, "api.test.localhost", "/a?b=1", HTTP2)


class Answers(list[tuple[RequestInFlight, int | str]]):
    def __call__(self, in_flight: RequestInFlight, status: int | str) -> None:
        self.append((in_flight, status))


@pytest.fixture
def answers() -> Answers:
    return Answers()


def in_flight() -> RequestInFlight:
    return RequestInFlight(0)


@pytest.mark.parametrize(
    ("answer", "status", "ended"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, False),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, False),
        (b"HTTP/1.1 502 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 502, True),
    ],
    ids=["length", "chunked", "interim", "close"],
)
def test_http1_answer_counts_when_all_of_it_is_there(answers: Answers, answer: bytes, status: int, ended: bool) -> None:
    exchange, first = Http1(ENDPOINT, answers), in_flight()
    assert exchange.announced is None
    assert exchange.request(first).startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: api.test.localhost\r\n")
    exchange.receive(answer[:-1])
    assert answers == []
    exchange.receive(answer[-1:])
    assert (answers, exchange.ended, bool(exchange.announced)) == ([(first, status)], ended, ended)


def test_a_close_can_have_crossed_only_an_unanswered_request_on_a_used_http1_connection(answers: Answers) -> None:
    exchange = Http1(ENDPOINT, answers)
    exchange.request(in_flight())
    assert not exchange.may_have_crossed  # the first on this connection
    exchange.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert not exchange.may_have_crossed  # nothing is under way
    exchange.request(in_flight())
    assert exchange.may_have_crossed
    exchange.receive(b"HTTP/1.1 200")
    assert not exchange.may_have_crossed


def test_http1_that_is_none_is_broken(answers: Answers) -> None:
    exchange = Http1(ENDPOINT, answers)
    exchange.request(in_flight())
    with pytest.raises(ProtocolBroken):
        exchange.receive(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


class Peer:
    """An HTTP/2 server and a client of ours, joined."""

    def __init__(self, answers: Answers) -> None:
        self.exchange = Http2(ENDPOINT, answers, streams=8)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.events: list[h2.events.Event] = []
        self.h2.initiate_connection()
        self.take(self.exchange.begin())
        self.give()

    def take(self, data: bytes) -> None:
        self.events += self.h2.receive_data(data)

    def give(self) -> None:
        self.take(self.exchange.receive(self.h2.data_to_send()))

    def answer(self, stream: int, status: str = "200") -> None:
        self.h2.send_headers(stream, [(":status", status)])
        self.h2.send_data(stream, b"x" * 1000, end_stream=True)
        self.give()


def test_http2_streams_are_answered_in_any_order(answers: Answers) -> None:
    peer, one, two = Peer(answers), in_flight(), in_flight()
    assert peer.exchange.slots == 8
    peer.take(peer.exchange.request(one) + peer.exchange.request(two))
    peer.answer(3, "503")
    peer.answer(1)
    assert answers == [(two, 503), (one, 200)]


def test_http2_goodbye_lets_taken_streams_end_and_the_others_be_repeated(answers: Answers) -> None:
    """As nginx does after keepalive_requests (RFC 9113, 6.8)."""
    peer, taken, late = Peer(answers), in_flight(), in_flight()
    peer.take(peer.exchange.request(taken))
    goodbye = bytes.fromhex("0000080700000000000000000100000000")
    peer.exchange.request(late)
    peer.exchange.receive(goodbye)
    assert (peer.exchange.ended, peer.exchange.announced) == (True, True)
    assert peer.exchange.unanswered() == [(taken, False), (late, True)]
    peer.answer(1)
    assert answers == [(taken, 200)]


def test_http2_streams_of_a_connection_that_ends_without_goodbye_are_not_repeated(answers: Answers) -> None:
    peer, one, two = Peer(answers), in_flight(), in_flight()
    peer.take(peer.exchange.request(one))
    peer.answer(1)
    peer.take(peer.exchange.request(two))
    assert peer.exchange.unanswered() == [(two, False)]
    assert (peer.exchange.may_have_crossed, peer.exchange.announced) == (False, None)


def test_http2_goodbye_for_an_error_is_no_orderly_end(answers: Answers) -> None:
    peer = Peer(answers)
    internal_error = bytes.fromhex("0000080700000000000000000000000002")
    peer.exchange.receive(internal_error)
    assert (peer.exchange.ended, peer.exchange.announced) == (True, False)


def test_http2_request_that_is_given_up_is_reset_and_its_connection_lives_on(answers: Answers) -> None:
    peer, slow, next_one = Peer(answers), in_flight(), in_flight()
    peer.take(peer.exchange.request(slow))
    peer.take(peer.exchange.cancel(slow) or b"")
    assert [event.stream_id for event in peer.events if isinstance(event, h2.events.StreamReset)] == [1]
    peer.take(peer.exchange.request(next_one))
    peer.answer(3)
    assert answers == [(next_one, 200)]
