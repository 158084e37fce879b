"""An open-loop run: requests leave at a constant rate, whether or not the earlier ones were answered.

Latency counts from the moment a request was meant to leave, so a stall is paid by every request that should have
been sent during it. Waiting for a free connection counts too, and so does the generator's own delay: it can make
a gateway look worse, never better. That delay is recorded besides.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from smoke.http1 import Connection, Reply, Target, connect
from smoke.plan import Load
from smoke.problems import TargetProblem

_SWEEP = 0.1
T = TypeVar("T")


@dataclass
class Samples:
    """What the counted part of a run gave; times in seconds."""

    latencies: list[float] = field(default_factory=list)
    """Of answered requests, and of those given up after the time-out: leaving them out would flatter."""
    errors: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    """Of every request: how long after its moment the generator came to send it."""
    reconnects: int = 0
    seconds: float = 0
    processor: float = 0
    """Share of one core that the generator used."""

    @property
    def sent(self) -> int:
        return len(self.delays)

    def late(self, after: float) -> int:
        """How many requests were sent more than so many seconds after their moment."""
        return sum(delay > after for delay in self.delays)

    @property
    def worst_delay(self) -> float:
        return max(self.delays, default=0.0)


@dataclass(slots=True)
class _Request:
    intended: float
    counted: bool
    tries: int = 0


def measure(target: Target, profile: Load, path: str) -> Samples:
    """Run the load."""
    return run_precisely(lambda: Run(target, profile, path).measure())


def run_precisely(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop with timers of microseconds: epoll's round up to a whole millisecond."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(main())


class Run:
    """One run against one target."""

    def __init__(self, target: Target, profile: Load, path: str):
        self._target = target
        self._profile = profile
        self._bytes = target.request(path)
        self._idle: deque[Connection] = deque()
        self._busy: dict[Connection, _Request] = {}
        self._waiting: deque[_Request] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._over = False
        self._samples = Samples()

    async def measure(self) -> Samples:
        loop = asyncio.get_running_loop()
        for connection in await asyncio.gather(*(self._connect() for _ in range(self._profile.connections))):
            self._free(connection)
        sweeper = asyncio.create_task(self._sweep())
        gc.collect()
        gc.disable()  # a collection in the middle would be measured
        try:
            counted_from, used = await self._send_all()
            while self._busy or self._waiting:  # bounded: the sweeper gives up what is too old
                await asyncio.sleep(0.01)
        finally:
            gc.enable()
            self._over = True
            sweeper.cancel()
            for task in self._connecting:
                task.cancel()
            for connection in (*self._idle, *self._busy):
                connection.close()
        self._samples.seconds = loop.time() - counted_from
        self._samples.processor = (time.process_time() - used) / self._samples.seconds
        return self._samples

    async def _send_all(self) -> tuple[float, float]:
        """Send every request at its moment; when the counted part began, and the processor time used by then."""
        loop, rate, samples = asyncio.get_running_loop(), self._profile.rate, self._samples
        warm_up = round(rate * self._profile.warm_up_seconds)
        count = warm_up + max(1, round(rate * self._profile.duration_seconds))
        start, used = loop.time() + 0.01, time.process_time()
        for number in range(count):
            intended = start + number / rate
            await asyncio.sleep(max(0.0, intended - loop.time()))
            if number == warm_up:
                used = time.process_time()
            request = _Request(intended, number >= warm_up)
            if request.counted:
                samples.delays.append(loop.time() - intended)
            if self._idle:
                self._send(self._idle.popleft(), request)
            else:
                self._waiting.append(request)
        return start + warm_up / rate, used

    def _send(self, connection: Connection, request: _Request) -> None:
        request.tries += 1
        self._busy[connection] = request
        connection.send(self._bytes)

    def _free(self, connection: Connection) -> None:
        if connection.closed:
            return
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _replied(self, connection: Connection, reply: Reply) -> None:
        request = self._busy.pop(connection)
        if reply.status == 200:
            self._record(request)
        else:
            self._error(request, f"status {reply.status}")
        self._free(connection)

    def _lost(self, connection: Connection) -> None:
        request = self._busy.pop(connection, None)
        if self._over:
            return
        if request is None:
            if connection in self._idle:
                self._idle.remove(connection)
        elif connection.exchanges and not connection.answer_begun and request.tries == 1:
            self._waiting.appendleft(request)  # a close that crossed it: every client repeats a GET then
        else:
            self._error(request, "connection lost")
        self._samples.reconnects += 1
        task = asyncio.create_task(self._reconnect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> Connection:
        connection = await connect(self._target)
        connection.on_reply, connection.on_lost = self._replied, self._lost
        return connection

    async def _reconnect(self) -> None:
        pause = 0.05
        while not self._over:
            try:
                self._free(await self._connect())
                return
            except TargetProblem:
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 2)

    async def _sweep(self) -> None:
        """Give up what is older than the time-out."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            oldest = loop.time() - self._profile.timeout_seconds
            while self._waiting and self._waiting[0].intended < oldest:
                self._give_up(self._waiting.popleft())
            for connection, request in list(self._busy.items()):
                if request.intended < oldest:
                    del self._busy[connection]
                    self._give_up(request)
                    connection.close()

    def _give_up(self, request: _Request) -> None:
        self._error(request, "timed out")
        self._record(request)

    def _record(self, request: _Request) -> None:
        if request.counted:
            self._samples.latencies.append(asyncio.get_running_loop().time() - request.intended)

    def _error(self, request: _Request, kind: str) -> None:
        if request.counted:
            self._samples.errors[kind] += 1
