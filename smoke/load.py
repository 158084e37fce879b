"""What is measured, from where, and what it is held to: the part of a plan that is about latency."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from smoke.plan_model import Model, Name, host_and_port
from smoke.sampling import PERCENTILES, STREAMS, WARM_UP

Protocol = Literal["http/1.1", "h2"]


class Load(Model):
    """The open-loop run. The defaults are brief: 8 seconds, with enough samples to judge p99."""

    rate: float = Field(default=150, gt=0, le=100_000)
    """Requests per second, sent at constant intervals whether or not the earlier ones are answered."""
    duration_seconds: float = Field(default=7, gt=0, le=3600)
    """Counted, over all rounds; the baseline takes as long again."""
    rounds: int = Field(default=5, ge=1, le=100)
    """The gateway and its baseline take turns so many times."""
    warm_up_seconds: float = Field(default=WARM_UP, ge=0, le=600)
    """Comes before the first round; its requests are sent and not counted."""
    connections: int = Field(default=16, ge=1, le=20_000)
    streams: int = Field(default=STREAMS, ge=1, le=1000)
    """Requests under way at once on one HTTP/2 connection, if the gateway allows as many."""
    protocols: tuple[Protocol, ...] = Field(default=("http/1.1",), min_length=1)
    """Each is measured by itself."""
    timeout_seconds: float = Field(default=5, gt=0, le=60)


class Overhead(Model):
    """Milliseconds that the gateway may add to its baseline: the median of the rounds' differences."""

    p50: float | None = Field(default=None, gt=0)
    p99: float | None = Field(default=None, gt=0)


class Budget(Model):
    """The limits of the verdict; latency in milliseconds, errors as a share of 1."""

    p50: float | None = Field(default=None, gt=0)
    p99: float | None = Field(default=None, gt=0)
    p999: float | None = Field(default=None, gt=0)
    error_rate: float = Field(default=0, ge=0, le=1)
    min_throughput: float | None = Field(default=None, gt=0)
    """Answers per second."""
    overhead: Overhead = Overhead()

    def over(self, wider: Budget) -> Budget:
        """This budget where it says something, and the wider one elsewhere."""
        own = {name: getattr(self, name) for name in self.model_fields_set}
        if "overhead" in own:
            differs = {name: getattr(self.overhead, name) for name in self.overhead.model_fields_set}
            own["overhead"] = wider.overhead.model_copy(update=differs)
        return wider.model_copy(update=own)

    @property
    def declared(self) -> dict[str, float]:
        """What it limits, by setting (`p999`, `overhead.p50`); times in seconds."""
        of_times = {**self.model_dump(include=set(PERCENTILES)), **{f"overhead.{n}": v for n, v in self.overhead}}
        found = {name: value / 1000 for name, value in of_times.items() if value is not None}
        found |= {"minThroughput": self.min_throughput} if self.min_throughput is not None else {}
        return found | ({"errorRate": self.error_rate} if "error_rate" in self.model_fields_set else {})

    @property
    def limits(self) -> dict[float, float | None]:
        """By percentile."""
        return {percentile: getattr(self, name) for name, percentile in PERCENTILES.items()}


class Vantage(Model):
    """A place to measure from."""

    name: Name
    reach: Annotated[
        str, StringConstraints(pattern=r"^(local|lab:[a-z][a-z0-9-]*|ssh://[A-Za-z0-9@._:\[\]-]+(\?[!-~]+)?)$")
    ]
    """`local`, `ssh://USER@HOST[:PORT]` (a host with python3; with libvirt's own parameters for SSH, such as
    `?knownhosts=FILE`), or `lab:NAME` (inside a lab of this machine)."""
    connect: str | None = None
    """HOST:PORT of the gateway as seen from there, when it is not the plan's."""
    budget: Budget = Budget()
    real_time: bool | None = None
    """Whether the load generator runs ahead of all other work there, guests included. null: only beside a lab."""

    @model_validator(mode="after")
    def _connects(self) -> Self:
        if self.connect is not None:
            host_and_port(self.connect)
        return self


LOCAL = Vantage(name="local", reach="local")

PROFILES: dict[str, dict[str, float]] = {
    "10k": {"connections": 10_000, "rate": 1000, "duration_seconds": 30, "rounds": 1, "warm_up_seconds": 5},
}
"""Loads to choose by name on the command line, as changes of the plan's."""

SOURCES_WRK = "sources-wrk"
"""The profile of the tuning articles, which needs the program wrk: shown, never judged."""
