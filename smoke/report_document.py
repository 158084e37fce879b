"""What a report says, as types: docs/smoke-report.schema.json is made from them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, extra="forbid")


class Figures(_Part):
    """Latency in milliseconds, from the moment that a request was meant to leave."""

    p50: float
    p90: float
    p99: float
    p999: float = Field(description="p99.9")
    max: float
    count: int = Field(description="how many requests these are figures of")
    throughput: float = Field(description="answers per second")


class Round(_Part):
    """One round of a series."""

    gateway: Figures
    baseline: Figures | None = None


class Generator(_Part):
    """What the load generator did itself."""

    processor: float = Field(description="share of one core, in its busiest round")
    late_sends: int = Field(description="requests sent so late that it weighs in the budget")
    worst_delay: float = Field(description="milliseconds")
    reconnects: int = Field(description="connections that had to be replaced")
    lost: int = Field(default=0, description="of these, the ones that the gateway ended without a word")


class Row(_Part):
    """A line of the table."""

    what: str
    found: str
    budget: str
    verdict: str = Field(pattern="^(pass|fail|inconclusive|shown)$")


class SeriesReport(_Part):
    """One path over one protocol from one place."""

    vantage: str
    path: str
    protocol: str
    rate: float = Field(description="requests per second that were meant to leave")
    connections: int
    latency: Figures
    baseline: Figures | None = None
    overhead_p50: float | None = Field(default=None, description="milliseconds: median of the rounds' differences")
    overhead_p99: float | None = None
    rounds: list[Round]
    sent: int
    errors: dict[str, int]
    generator: Generator
    stolen: float | None = Field(default=None, description="share of the guest's processor that its host took")
    attempts: int
    notes: list[str]
    lines: list[Row]


class Cause(_Part):
    """Why a check failed, as far as it could be told."""

    sentence: str
    remedy: str
    evidence: list[str]


class Evidence(_Part):
    """Of a guest that did not come up."""

    console: list[str]
    cloud_init: list[str]


class Report(_Part):
    """One smoke check of one gateway."""

    verdict: str = Field(pattern="^(pass|fail|inconclusive)$")
    stack: str
    gateway: str
    url: str
    budget_scale: float = Field(default=1, description="how many times the region's own budgets it was held to")
    at: datetime = Field(description="when the check began")
    nordgate: str = Field(description="the version of nordgate that checked")
    ready_seconds: float | None = None
    tls: str | None = Field(default=None, description="the version that was agreed on")
    verified: bool | None = Field(default=None, description="whether the certificate was")
    versions: dict[str, str] = Field(default_factory=dict, description="of kernel, nginx and openssl in the guest")
    causes: list[Cause] = Field(default_factory=list, description="of a failure, the likeliest first")
    problem: str | None = Field(default=None, description="what ended the check")
    failing: list[str] = Field(default_factory=list, description="sentences")
    lines: list[Row] = Field(description="the proofs")
    series: list[SeriesReport]
    evidence: Evidence | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is written: without what there is not."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def schema() -> str:
    """The JSON schema of a report, as it stands in docs/."""
    found = Report.model_json_schema(by_alias=True, mode="validation")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=2) + "\n"
