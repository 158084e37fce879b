"""The open-loop run: requests leave at a constant rate, whether or not the earlier ones were answered.

Latency counts from the moment a request was meant to leave, so a stall is paid by every request that should have
been sent during it. Waiting for a free connection counts too, and so does the generator's own delay: it can make
a gateway look worse, never better. That delay is recorded besides.
"""

from __future__ import annotations

import gc
import time
from array import array
from collections import deque
from collections.abc import Iterator

from smoke.engine.connection_pool import Side
from smoke.engine.exchange import Ticket
from smoke.engine.job import STATUS, Job, Tally, histogram
from smoke.engine.reactor import Reactor, clock

_SWEEP = 0.05


def measure(job: Job) -> Iterator[Tally]:
    """Carry the job out: a tally for every round of every endpoint, in turn. Raises Unreachable."""
    reactor = Reactor()
    gc.disable()  # a collection in the middle of a round would be measured
    try:
        sides = [Side(reactor, endpoint, job.connections, job.streams) for endpoint in job.endpoints]
        for side in sides:
            side.open()
        if job.warm_up_seconds:
            for side in sides:
                _Round(reactor, side, job).run(job.warm_up_seconds)
        for _ in range(job.rounds):
            for number, side in enumerate(sides):
                gc.collect()
                tally = _Round(reactor, side, job).run(job.round_seconds)
                tally.endpoint = number
                tally.reconnects, tally.lost = side.connections_since()
                yield tally
    finally:
        gc.enable()
        reactor.close()


class _Round:
    """So many seconds of requests to one endpoint, and what became of them."""

    def __init__(self, reactor: Reactor, side: Side, job: Job) -> None:
        self._reactor, self._side, self._job = reactor, side, job
        self._tally = Tally()
        self._latencies, self._delays = array("d"), array("d")
        self._underway: deque[Ticket] = deque()
        """In the order of their moments; those that are done leave when they come to the front."""
        self._swept = clock()
        self._first = 0.0
        """When the first answer came."""
        side.answered, side.failed = self._answered, self._failed

    def run(self, seconds: float) -> Tally:
        reactor, rate, delays = self._reactor, self._job.rate, self._delays
        count = max(1, round(rate * seconds))
        used = time.process_time()
        start = clock() + 0.001
        number, due = 0, start
        while number < count:
            now = clock()
            while now >= due and number < count:
                delays.append(now - due)
                ticket = Ticket(due)
                self._underway.append(ticket)
                self._side.send(ticket)
                number += 1
                due = start + number / rate
                now = clock()
            reactor.wait(min(due, self._swept + _SWEEP))
            self._sweep()
        while self._underway:  # bounded: the sweep gives up what is too old
            reactor.wait(self._swept + _SWEEP)
            self._sweep(at_once=True)
        tally, end = self._tally, clock()
        # What a single answer takes belongs to its latency, not to how many come in a second.
        tally.seconds = max(count / rate, end - (self._first or start) + 1 / rate)
        tally.processor = (time.process_time() - used) / (end - start)
        tally.latencies, tally.delays = histogram(self._latencies), histogram(delays)
        return tally

    def _answered(self, ticket: Ticket, status: int | str) -> None:
        now = clock()
        self._first = self._first or now
        if status == 200:
            self._latencies.append(now - ticket.intended)
        elif status:
            self._error(f"{STATUS}{status}")
        else:
            self._failed(ticket, "stream reset")

    def _failed(self, ticket: Ticket, reason: str) -> None:
        """No answer will come: it counts as one that took the whole time-out, however early that was known."""
        self._error(reason)
        self._latencies.append(max(clock() - ticket.intended, self._job.timeout_seconds))

    def _error(self, kind: str) -> None:
        self._tally.errors[kind] = self._tally.errors.get(kind, 0) + 1

    def _sweep(self, at_once: bool = False) -> None:
        now = clock()
        if not at_once and now < self._swept + _SWEEP:
            return
        self._swept = now
        oldest = now - self._job.timeout_seconds
        while self._underway and (self._underway[0].done or self._underway[0].intended < oldest):
            ticket = self._underway.popleft()
            if not ticket.done:
                self._side.give_up(ticket)
                self._failed(ticket, "timed out")
        self._side.sweep()
