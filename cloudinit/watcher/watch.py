"""Watches names and servers, and writes down what it finds. It has no rights beyond its own two folders."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from .apply import in_force
from .disk import text_of, write
from .questions import NoAddress, addresses_of, trouble_with
from .standing import Name, Pace, Standing, down_of, of_endpoints
from .table import Endpoint, Table, endpoints, trusted

_AT_ONCE = 32
_APPLIED = 10.0
"""Seconds after which nginx has what was written, or never will."""
Say = Callable[[str], None]


class Watch:
    """All that is known of a table's names and servers."""

    def __init__(self, table: Table, known: dict[str, Any], say: Say) -> None:
        self.table, self.say = table, say
        wanted = {name for group in table.groups.values() for name in group.names}
        self.names = {name: Name(_remembered(known.get(name), table)) for name in sorted(wanted)}
        self.standings: dict[str, dict[str, Standing]] = {name: {} for name in table.groups}
        self._asked: set[tuple[str, ...]] = set()

    @property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        return {name: known.addresses for name, known in self.names.items() if known.addresses}

    def live(self, group: str) -> list[Endpoint]:
        return endpoints(self.table.groups[group], self.addresses)

    def due(self, now: float) -> dict[tuple[str, ...], Callable[[], Any]]:
        """The questions whose time has come, each until it is answered."""
        found: dict[tuple[str, ...], Callable[[], Any]] = {}
        for name, known in self.names.items():
            if known.due <= now:
                found["name", name] = partial(_looked_up, name, self.table)
        for group, standings in self.standings.items():
            live = self.live(group)
            # A server that is alone is asked by every request, and never marked down.
            of_endpoints(live if len(live) > 1 else (), standings)
            for endpoint in live:
                key = str(endpoint)
                if key in standings and standings[key].due <= now:
                    health = self.table.groups[group].health
                    standings[key].due = now + health.interval
                    found["server", group, key] = partial(trouble_with, endpoint, health)
        fresh = {key: question for key, question in found.items() if key not in self._asked}
        self._asked |= fresh.keys()
        return fresh

    def answered(self, key: tuple[str, ...], answer: Any, now: float) -> None:
        """What became of a question."""
        self._asked.discard(key)
        kind, subject, *rest = key
        if kind == "name":
            name = self.names[subject]
            if isinstance(answer, NoAddress):
                self._tell(subject, name.failed(str(answer), answer.unknown, now))
            else:
                addresses, ttl = answer
                self._tell(subject, name.found(addresses, ttl, now))
        elif rest[0] in self.standings[subject]:
            health = self.table.groups[subject].health
            said = self.standings[subject][rest[0]].heard(answer, health)
            self._tell(f"{subject}: {rest[0]}", said)
            if said and len(down_of(self.live(subject), self.standings[subject])) == 0 and "down" in said:
                self.say(f"{subject}: no server answers as it should; requests go to all of them")

    def asked_for_all(self) -> bool:
        """Whether every name was asked for, whatever came of it."""
        return all(name.due for name in self.names.values())

    def next_due(self) -> float:
        times = [name.due for name in self.names.values()]
        times += [standing.due for standings in self.standings.values() for standing in standings.values()]
        return min(times, default=float("inf"))

    def wanted(self) -> str:
        """What `apply` is told: of each group, the addresses of its names and the servers that are down."""
        found = {
            name: {
                "addresses": {host: self.addresses[host] for host in group.names if host in self.addresses},
                "down": sorted(down_of(self.live(name), self.standings[name])),
            }
            for name, group in self.table.groups.items()
        }
        return json.dumps(found, indent=1, sort_keys=True) + "\n"

    def _tell(self, subject: str, said: str) -> None:
        if said:
            self.say(f"{subject} {said}")


def _remembered(known: Any, table: Table) -> tuple[str, ...]:
    addresses = known if isinstance(known, list) else []
    return tuple(filter(None, (trusted(address, table.families) for address in addresses)))


def _looked_up(name: str, table: Table) -> Any:
    try:
        return addresses_of(name, table.resolvers, table.families)
    except NoAddress as answer:
        return answer


class Publisher:
    """Tells `apply` what is wanted, at its pace, and again where nginx was not given it: a path unit misses what
    changes while its service runs."""

    def __init__(self, table: Table, wanted_file: Path, lists: Path) -> None:
        self.table, self.file, self.lists = table, wanted_file, lists
        self.pace, self.written, self.seen = Pace(), "", False

    def offer(self, wanted: str, now: float) -> float:
        """Write it if its time has come. Returns in how many seconds to come again."""
        known = wanted == self.written
        if known and self.seen:
            return float("inf")
        if known and now < self.pace.last + _APPLIED:
            return self.pace.last + _APPLIED - now
        if (known or not self.written) and in_force(self.table, json.loads(wanted), self.lists):
            self.written, self.seen = wanted, True
            return float("inf")
        if pause := self.pace.wait(now):
            return pause
        write(self.file, wanted)
        self.written, self.seen = wanted, False
        self.pace.done(now)
        return _APPLIED


def run(table: Table, wanted_file: Path, known_file: Path, lists: Path, say: Say) -> None:
    """For ever. What `known_file` remembers is used until a resolver answers; `lists` is what nginx has read."""
    watch, publisher = Watch(table, _read(known_file), say), Publisher(table, wanted_file, lists)
    answers: queue.SimpleQueue[tuple[tuple[str, ...], Any]] = queue.SimpleQueue()
    remembered = watch.addresses
    with ThreadPoolExecutor(_AT_ONCE) as pool:

        def put(key: tuple[str, ...], question: Callable[[], Any]) -> None:
            answers.put((key, question()))

        while True:
            for key, question in watch.due(time.monotonic()).items():
                pool.submit(put, key, question)
            pause = watch.next_due() - time.monotonic()
            # The first time all names together.
            if watch.asked_for_all():
                pause = min(pause, publisher.offer(watch.wanted(), time.monotonic()))
            if watch.addresses != remembered:
                remembered = watch.addresses
                write(known_file, json.dumps(remembered) + "\n")
            with suppress(queue.Empty):
                # Of a question that is not answered yet, the time has come already.
                watch.answered(*answers.get(timeout=min(60.0, max(0.2, pause))), time.monotonic())
                while True:
                    watch.answered(*answers.get_nowait(), time.monotonic())


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text_of(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
