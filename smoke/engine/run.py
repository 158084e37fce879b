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

from smoke.engine.connection_pool import ConnectionPool
from smoke.engine.exchange import RequestInFlight
from smoke.engine.job import STATUS, Job, Tally, histogram
from smoke.engine.reactor import Reactor, clock

_SWEEP = 0.05


def measure(job: Job) -> Iterator[Tally]:
    """Carry the job out: a tally for every round of every endpoint, in turn. Raises Unreachable."""
    reactor = Reactor()
    gc.disable()  # a collection in the middle of a round would be measured
    try:
        pools = [ConnectionPool(reactor, endpoint, job.connections, job.streams) for endpoint in job.endpoints]
        for pool in pools:
            pool.open()
        if job.warm_up_seconds:
            for pool in pools:
                _Round(reactor, pool, job).run(job.warm_up_seconds)
        for _ in range(job.rounds):
            for number, pool in enumerate(pools):
                gc.collect()
                tally = _Round(reactor, pool, job).run(job.round_seconds)
                tally.endpoint = number
                tally.reconnects, tally.lost = pool.connections_since()
                yield tally
    finally:
        gc.enable()
        reactor.close()


class _Round:
    """So many seconds of requests to one endpoint, and what became of them."""

    def __init__(self, reactor: Reactor, pool: ConnectionPool, job: Job) -> None:
        self._reactor, self._pool, self._job = reactor, pool, job
        self._tally = Tally()
        self._latencies, self._delays = array("d"), array("d")
        self._underway: deque[RequestInFlight] = deque()
        """In the order of their moments; those that are done leave when they come to the front."""
        self._swept = clock()
        self._first = 0.0
        """When the first answer came."""
        pool.answered, pool.failed = self._answered, self._failed

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
                in_flight = RequestInFlight(due)
                self._underway.append(in_flight)
                self._pool.send(in_flight)
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

    def _answered(self, in_flight: RequestInFlight, status: int | str) -> None:
        now = clock()
        self._first = self._first or now
        if status == 200:
            self._latencies.append(now - in_flight.intended)
        elif status:
            self._error(f"{STATUS}{status}")
        else:
            self._failed(in_flight, "stream reset")

    def _failed(self, in_flight: RequestInFlight, reason: str) -> None:
        """No answer will come: it counts as one that took the whole time-out, however early that was known."""
        self._error(reason)
        self._latencies.append(max(clock() - in_flight.intended, self._job.timeout_seconds))

    def _error(self, kind: str) -> None:
        self._tally.errors[kind] = self._tally.errors.get(kind, 0) + 1

    def _sweep(self, at_once: bool = False) -> None:
        now = clock()
        if not at_once and now < self._swept + _SWEEP:
            return
        self._swept = now
        oldest = now - self._job.timeout_seconds
        while self._underway and (self._underway[0].done or self._underway[0].intended < oldest):
            in_flight = self._underway.popleft()
            if not in_flight.done:
                self._pool.give_up(in_flight)
                self._failed(in_flight, "timed out")
        self._pool.sweep()
