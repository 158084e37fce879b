"""Packets on their way from one lab to another: each is held for the same time, then passed on in order."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Iterator, Sequence

LIMIT = 1000
"""So many packets are on their way at once in one direction, as with netem; a full queue drops, as a router's does."""

_LARGEST = 1 << 16
_BURST = 64
"""Packets read from one side before the other has its turn."""


class Queue:
    """One direction. Times in nanoseconds of one clock that never goes back."""

    def __init__(self, delay: int, limit: int = LIMIT) -> None:
        self._delay, self._limit = delay, limit
        self._packets: deque[tuple[int, bytes]] = deque()

    @property
    def due(self) -> int | None:
        """When the next packet must leave; None when there is none."""
        return self._packets[0][0] if self._packets else None

    def put(self, packet: bytes, now: int) -> bool:
        """Take a packet that came `now`; False when the queue is full and it is lost."""
        if len(self._packets) >= self._limit:
            return False
        self._packets.append((now + self._delay, packet))
        return True

    def take(self, now: int) -> Iterator[bytes]:
        """The packets whose time has come."""
        while self._packets and self._packets[0][0] <= now:
            yield self._packets.popleft()[1]


def relay(one: int, other: int, delay: float, ends: Sequence[int]) -> None:
    """Pass packets both ways between two descriptors that do not block, each `delay` seconds after it came.

    Returns when one of `ends` can be read, or when a descriptor's device is gone.
    """
    queues = {source: Queue(round(delay * 1e9)) for source in (one, other)}
    leads_to = {one: other, other: one}
    while True:
        dues = [queue.due for queue in queues.values() if queue.due is not None]
        wait = max(0, min(dues) - time.monotonic_ns()) / 1e9 if dues else None
        # select waits for microseconds, where epoll knows milliseconds.
        readable, _, _ = select.select([one, other, *ends], [], [], wait)
        if any(end in readable for end in ends):
            return
        try:
            for source in readable:
                _read(source, queues[source])
        except OSError:
            return
        for source, queue in queues.items():
            for packet in queue.take(time.monotonic_ns()):
                # What cannot be delivered is lost, as on any network.
                with contextlib.suppress(OSError):
                    os.write(leads_to[source], packet)


def _read(source: int, queue: Queue) -> None:
    with contextlib.suppress(BlockingIOError):
        for _ in range(_BURST):
            packet = os.read(source, _LARGEST)
            queue.put(packet, time.monotonic_ns())
