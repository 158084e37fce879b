"""What a region file may say of the smoke check: what is measured, from where, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from cloudinit.field_types import CaCertificate, SettingsModel
from cloudinit.patterns import Pattern
from cloudinit.violations import Violation, raise_all
from nordgate.settings.host_types import why_no_url, why_secret
from nordgate.settings.units import Duration, shown
from smoke.sampling import PERCENTILES

_TIMEOUT, _LONGEST_TIMEOUT = 5.0, 60.0
"""Seconds."""


def _asked(path: str) -> str:
    if reason := why_secret(urlsplit(path).query):
        raise ValueError(f'"{path}" {reason}')
    return path


UrlPath = Annotated[
    str,
    Pattern(r"/[!-~]*", 'must be a path of a URL: "/" first, no blanks, nothing but ASCII (%-encode the rest)'),
    AfterValidator(_asked),
]
Reach = Annotated[
    str,
    Pattern(
        r"local|hypervisor|region:[a-z][a-z0-9-]{0,30}"
        r"|ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?",
        "must be local, hypervisor, region:NAME or ssh://USER@HOST[:PORT]",
    ),
]
VantageName = Annotated[
    str, Pattern(r"[a-z][a-z0-9-]{0,30}", 'must be lower-case letters, digits and "-", a letter first, 31 at most')
]
Baseline = Annotated[
    str, Pattern(r"http://[^/\s]+/[!-~]*", "must be http://HOST:PORT/PATH, with at least a slash for the path")
]


class Overhead(SettingsModel):
    """What a gateway may add to the upstream that is measured in turn with it."""

    p50: Duration | None = Field(default=None, gt=0, description="to half of the requests")
    p99: Duration | None = Field(default=None, gt=0, description="to 99 of 100 requests")


class Limits(SettingsModel):
    """What the smoke check holds the gateways to; on a route or a vantage point, only what differs there."""

    p50: Duration | None = Field(default=None, gt=0, description="half of the requests are answered within")
    p99: Duration | None = Field(default=None, gt=0, description="99 of 100 requests are answered within")
    p999: Duration | None = Field(default=None, gt=0, description="999 of 1,000 requests are answered within")
    error_rate: float | None = Field(default=None, ge=0, le=1, description="share of requests that may fail")
    min_throughput: float | None = Field(default=None, gt=0, description="answers per second, at least")
    overhead: Overhead | None = Field(default=None, description="over the baseline")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        given = [(name, getattr(self, name)) for name in ("p50", "p99", "p999") if getattr(self, name) is not None]
        for (low, lower), (high, higher) in pairwise(given):
            if lower > higher:
                rule = f"{shown(lower)} is above {high}, {shown(higher)}"
                raise_all(type(self).__name__, [Violation((low,), shown(lower), rule)])
        return self

    @property
    def percentiles(self) -> dict[str, float]:
        """Those that have a limit, in seconds."""
        return {name: value for name, value in self if name.startswith("p") and value is not None}

    @property
    def declared(self) -> dict[str, float]:
        """Every limit, by its setting (`p999`, `overhead.p50`, `errorRate`); times in seconds."""
        percentiles = {"p50": self.p50, "p99": self.p99, "p999": self.p999}
        found = {name: value for name, value in percentiles.items() if value is not None}
        if self.overhead:
            found |= {f"overhead.{name}": value for name, value in self.overhead if value is not None}
        others = {"errorRate": self.error_rate, "minThroughput": self.min_throughput}
        return found | {name: value for name, value in others.items() if value is not None}

    def scaled(self, factor: float, distance: float = 0.0) -> Self:
        """With every time multiplied but for the seconds of `distance` in it; shares and rates stay."""
        times: dict[str, object] = {
            name: distance + (value - distance) * factor for name, value in self.percentiles.items()
        }
        if self.overhead:
            longer = {name: value * factor for name, value in self.overhead if value is not None}
            times["overhead"] = self.overhead.model_copy(update=longer)
        return self.model_copy(update=times)


class Budget(Limits):
    """The limits of the whole stack. Times are multiplied by its `budgetScale`."""

    p50: Duration = Field(gt=0, description="half of the requests are answered within")
    p99: Duration = Field(gt=0, description="99 of 100 requests are answered within")
    error_rate: float = Field(default=0.0, ge=0, le=1, description="share of requests that may fail")


_Stated = tuple[tuple[str, ...], Limits]
"""Where limits are declared, and what they are."""


class Vantage(SettingsModel):
    """A place to measure from."""

    reach: Reach = Field(
        description="local, hypervisor (the gateway's own, over SSH or in its lab), region:NAME (the first hypervisor "
        "of that region's stack of the same kind), or ssh://USER@HOST[:PORT]"
    )
    budget: Limits = Field(default=Limits(), description="what differs from the stack's budget, measured from there")
    real_time: bool | None = Field(
        default=None,
        description="whether the load generator runs ahead of all other work there (SCHED_FIFO), guests included; left "
        "out, only for gateways in a lab of this machine",
    )

    @field_validator("reach")
    @classmethod
    def _has_a_port(cls, value: str) -> str:
        port = re.search(r":([0-9]+)$", value)
        if port and not 1 <= int(port[1]) <= 65535:
            raise ValueError(f'"{value}" has no port from 1 to 65535 after its host')
        return value

    @property
    def region(self) -> str | None:
        """The other region that it lies in, if it says so."""
        kind, _, name = self.reach.partition(":")
        return name if kind == "region" else None

    def limits(self, whole: Budget) -> dict[str, float]:
        """What a stack with the budget `whole` is held to from there: percentiles, in seconds."""
        return whole.percentiles | self.budget.percentiles


class Smoke(SettingsModel):
    """The check that ends every deployment."""

    ready_within: Duration = Field(gt=0, le=3600, description="how long a gateway may take from start to ready")
    path: UrlPath = Field(default="/", description="path that is proxied to an upstream")
    rate: float = Field(default=150, gt=0, le=100_000, description="requests per second of the latency run")
    duration: Duration = Field(
        default=7.0, gt=0, le=3600, description="length of the latency run; a baseline doubles it"
    )
    rounds: int = Field(default=5, ge=1, le=100, description="so many parts it has; gateway and baseline take turns")
    connections: int = Field(default=8, ge=1, le=20_000, description="kept-alive connections of the latency run")
    protocols: tuple[Literal["http/1.1", "h2"], ...] = Field(
        default=("http/1.1",), min_length=1, description="each is measured by itself"
    )
    baseline: Baseline | None = Field(
        default=None, description="http://HOST:PORT/PATH of an upstream, seen from every vantage point"
    )
    budget: Budget
    routes: dict[UrlPath, Limits] = Field(
        default_factory=dict, description="paths to measure, each with what differs from the budget; none: `path`"
    )
    vantages: dict[VantageName, Vantage] = Field(
        default_factory=dict, description="where to measure from; none: the machine that runs Pulumi"
    )
    ca_certificate: CaCertificate | None = Field(
        default=None,
        description="PEM of the authorities that clients trust, where a private one has issued the certificates that "
        "are delivered to the gateways; without it, those of the machine that measures",
    )
    retries: int = Field(default=2, ge=0, le=10, description="how often an inconclusive measurement is repeated")
    on_inconclusive: Literal["fail", "warn"] = Field(
        default="fail", description="whether a check that noise leaves undecided fails the deployment"
    )

    @field_validator("baseline")
    @classmethod
    def _can_be_asked(cls, value: str | None) -> str | None:
        if value is not None and (reason := why_no_url(value)):
            raise ValueError(f'"{value}" {reason}')
        return value

    @property
    def series(self) -> Iterator[dict[str, tuple[tuple[str, ...], float]]]:
        """What applies to each path from each vantage point: by setting, where it is declared and its value."""
        whole: _Stated = (("budget",), self.budget)
        vantages: list[list[_Stated]] = [
            [(("vantages", name, "budget"), vantage.budget)] for name, vantage in self.vantages.items()
        ]
        routes: list[list[_Stated]] = [[(("routes", path), limits)] for path, limits in self.routes.items()]
        for vantage, route in product(vantages or [[]], routes or [[]]):
            yield {
                setting: (place, value)
                for place, limits in (whole, *vantage, *route)
                for setting, value in limits.declared.items()
            }

    def scaled(self, factor: float, round_trips: Mapping[str, float]) -> Self:
        """With every budget's times multiplied; from another region, only what is above the round trip from there.

        `round_trips` are seconds by region.
        """
        routes = {path: limits.scaled(factor) for path, limits in self.routes.items()}
        vantages = {
            name: vantage.model_copy(update={"budget": self._seen_from(vantage, factor, round_trips)})
            for name, vantage in self.vantages.items()
        }
        budget = self.budget.scaled(factor)
        return self.model_copy(update={"budget": budget, "routes": routes, "vantages": vantages})

    def _seen_from(self, vantage: Vantage, factor: float, round_trips: Mapping[str, float]) -> Limits:
        if vantage.region is None:
            return vantage.budget.scaled(factor)
        # The stack's own too: what applies there is stretched otherwise than here.
        limits = vantage.budget.model_copy(update=vantage.limits(self.budget))
        return limits.scaled(factor, round_trips[vantage.region])


def timeout_seconds(smoke: Smoke) -> float:
    """So long an answer is waited for: well beyond every budget, so that each can be told from no answer."""
    longest = max(limit for limits in smoke.series for name, (_, limit) in limits.items() if name in PERCENTILES)
    return min(max(_TIMEOUT, 2 * longest), _LONGEST_TIMEOUT)
