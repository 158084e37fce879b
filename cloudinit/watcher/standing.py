"""What is known of names and servers, as time goes by. Pure: the caller has the clock."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .table import MOST_ADDRESSES, Endpoint, Health

SHORTEST, LONGEST = 5.0, 3600.0
"""Seconds until a name is asked for again, whatever its time to live says."""
_RETRY = 5.0
_BETWEEN, _EACH = 2.0, 30.0
"""Seconds between two reloads, and until one more is allowed."""
_BELIEVED = 3
"""So many times in a row a name must be unknown before the addresses that it had are given up."""


@dataclass
class Name:
    """One name: its addresses, and when it is asked for again."""

    addresses: tuple[str, ...] = ()
    due: float = 0
    unknown: int = 0
    said: str = ""
    """The last trouble with it, told once."""

    def found(self, addresses: Sequence[str], ttl: float, now: float) -> str:
        """Addresses came. Returns what there is to say."""
        before, self.addresses = self.addresses, tuple(sorted(addresses)[:MOST_ADDRESSES])
        self.unknown, self.said = 0, ""
        # A little later than the rest of the world, and never all names at once.
        self.due = now + min(LONGEST, max(SHORTEST, ttl)) * random.uniform(1.0, 1.1)  # noqa: S311
        if self.addresses == before:
            return ""
        return f"is {', '.join(self.addresses)}" + (f", was {', '.join(before)}" if before else "")

    def failed(self, why: str, unknown: bool, now: float) -> str:
        """No addresses came: the name is `unknown`, or nobody could say. Returns what there is to say."""
        self.due = now + _RETRY * random.uniform(0.8, 1.2)  # noqa: S311
        self.unknown = self.unknown + 1 if unknown else 0
        if unknown and self.addresses and self.unknown >= _BELIEVED:
            was, self.addresses, self.said = self.addresses, (), why
            return f"{why}: {', '.join(was)} not used any more"
        if why == self.said:
            return ""
        self.said = why
        return f"{why}: " + (f"{', '.join(self.addresses)} still used" if self.addresses else "no server")


@dataclass
class Standing:
    """Whether one server is up, by the answers to what the gateway itself asked it."""

    up: bool = True
    against: int = 0
    """Answers in a row that say otherwise."""
    due: float = 0

    def heard(self, trouble: str, health: Health) -> str:
        """An answer, or what was in place of it. Returns what there is to say."""
        if (not trouble) is self.up:
            self.against = 0
            return ""
        self.against += 1
        if self.against < (health.failures if self.up else health.successes):
            return ""
        self.up, self.against = not self.up, 0
        return "is up again" if self.up else f"is down: {trouble}, {health.failures} times in a row"


def down_of(live: Sequence[Endpoint], standings: dict[str, Standing]) -> set[str]:
    """Those of a group that get no requests. Never all of them: then what is asked says nothing of the servers."""
    down = {str(endpoint) for endpoint in live if not standings.get(str(endpoint), Standing()).up}
    return down if len(down) < len(live) else set()


@dataclass
class Pace:
    """How often nginx may be reloaded: each time its open upstream connections are lost, and its old workers stay
    for as long as their last client does. A few at once, and two a minute in the long run."""

    left: float = 5
    last: float = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next one."""
        left = self._left(now)
        return max(0.0, self.last + _BETWEEN - now) if left >= 1 else (1 - left) * _EACH

    def done(self, now: float) -> None:
        """One more."""
        self.left, self.last = self._left(now) - 1, now

    def _left(self, now: float) -> float:
        return min(5.0, self.left + (now - self.last) / _EACH)


def of_endpoints(live: Collection[Endpoint], standings: dict[str, Standing]) -> None:
    """Forget servers that are gone, and begin with those that are new: up, and asked at once."""
    wanted = {str(endpoint) for endpoint in live}
    for gone in standings.keys() - wanted:
        del standings[gone]
    for new in wanted - standings.keys():
        standings[new] = Standing()
