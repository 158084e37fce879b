"""What the generator is told, and what it tells: plain values that pass as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

HTTP1 = "http/1.1"
HTTP2 = "h2"
"""As ALPN calls them (RFC 7301)."""

AGENT = "nordgate-smoke"
"""The User-Agent of every request of a check."""

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
"""A path that is asked by gRPC's health checking, whatever else is asked by GET."""

STATUS = "status "
"""How the kind of an error begins where there was an answer, and the answer was one: every other had none."""


def label(host: str, port: int) -> str:
    """HOST:PORT, as messages have it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Endpoint:
    """What is asked, and how."""

    host: str
    port: int
    name: str
    """Of the Host header, and what the certificate must carry."""
    path: str
    protocol: str = HTTP1
    tls: bool = True
    authorities: str | None = None
    """PEM text of what to trust; without it, the certificate authorities of the machine that measures."""
    insecure: bool = False

    @property
    def label(self) -> str:
        """HOST:PORT, as messages have it."""
        return label(self.host, self.port)


@dataclass(frozen=True)
class Job:
    """A measurement: `rounds` times each endpoint in turn. Times in seconds."""

    endpoints: tuple[Endpoint, ...]
    rate: float
    """Requests per second, sent at constant intervals whether or not the earlier ones are answered."""
    round_seconds: float
    rounds: int
    warm_up_seconds: float
    """Of each endpoint, before its first round; not counted."""
    connections: int
    """Of each endpoint, kept open through all rounds."""
    streams: int
    """Requests under way at once on one HTTP/2 connection, if the server allows as many."""
    timeout_seconds: float
    real_time: bool = False
    """Whether it runs ahead of all other work of its machine, at the lowest real-time priority."""

    def as_json(self) -> str:
        """The job as the generator reads it."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Job:
        """The job that as_json has written."""
        values: dict[str, Any] = json.loads(text)
        values["endpoints"] = tuple(Endpoint(**endpoint) for endpoint in values["endpoints"])
        return Job(**values)


@dataclass
class Tally:
    """What one round of one endpoint gave."""

    endpoint: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    """Microseconds, to three digits, and how many requests took them: those answered, and those that never were, which
    count as the time-out at least, because leaving them out would flatter."""
    delays: dict[int, int] = field(default_factory=dict)
    """The same of every request: how long after its moment the generator came to send it."""
    errors: dict[str, int] = field(default_factory=dict)
    reconnects: int = 0
    """Connections that had to be replaced since the tally before; of the first, also those of the warm-up."""
    seconds: float = 0
    """From the first answer to the last, and at least as long as requests were sent."""
    processor: float = 0
    """Share of one core that the generator used."""
    lost: int = 0
    """Of the connections that had to be replaced, those that the server ended without a word."""
    missing_connections: int = 0
    """How many of those asked for this machine could not open."""

    @property
    def sent(self) -> int:
        """The number of requests that were sent."""
        return sum(self.delays.values())

    @property
    def refused(self) -> int:
        """Requests that were answered, but with an error."""
        return sum(count for kind, count in self.errors.items() if kind.startswith(STATUS))

    @property
    def unanswered(self) -> int:
        """Requests that no answer ever came to."""
        return sum(self.errors.values()) - self.refused

    def late(self, after: float) -> int:
        """How many requests were sent more than so many seconds after their moment."""
        return sum(count for microseconds, count in self.delays.items() if microseconds > after * 1e6)

    @property
    def worst_delay(self) -> float:
        """In seconds."""
        return max(self.delays, default=0) / 1e6

    @staticmethod
    def from_json(values: dict[str, Any]) -> Tally:
        """A tally as the generator has told it."""
        counts = {key: {int(us): n for us, n in values[key].items()} for key in ("latencies", "delays")}
        return Tally(**values | counts)


def histogram(seconds: Iterable[float]) -> dict[int, int]:
    """How often each duration came: microseconds to three significant digits, never rounded up."""
    counts: Counter[int] = Counter()
    for value in seconds:
        microseconds = max(1, int(value * 1e6))
        unit = 10 ** max(0, len(str(microseconds)) - 3)
        counts[microseconds // unit * unit] += 1
    return dict(counts)
