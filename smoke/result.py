"""What one check found, filled while it goes on; the report is made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nordgate import __version__
from smoke import report_document
from smoke.diagnosis import Cause
from smoke.diagnostics import Evidence
from smoke.engine.job import Tally
from smoke.figures import Latency, overhead, summarise
from smoke.measure import Series
from smoke.plan import Plan
from smoke.verdict import EXIT_CODES, Line, Verdict, late_after, overall


@dataclass
class Result:
    """`versions`: of kernel, nginx and openssl in the guest, as far as the check could ask it."""

    plan: Plan
    lines: list[Line] = field(default_factory=list)
    """The proofs."""
    series: list[Series] = field(default_factory=list)
    problem: str | None = None
    ready_seconds: float | None = None
    boot: str | None = None
    """The boot of the guest that was checked, as its kernel calls it."""
    tls_version: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    causes: list[Cause] = field(default_factory=list)
    """Of a failure, the likeliest first."""
    agent_unreachable: bool = False
    """Whether the guest could not be asked: whatever the plan says, that is no pass."""
    evidence: Evidence | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole check."""
        return Verdict.FAIL if self.problem else overall([line for _, line in self.judged])

    @property
    def exit_code(self) -> int:
        """The exit code of `python -m smoke`: EXIT_CODES, and 0 where an inconclusive check only warns."""
        if self.verdict is Verdict.INCONCLUSIVE and self.plan.on_inconclusive == "warn" and not self.agent_unreachable:
            return 0
        return EXIT_CODES[self.verdict]

    @property
    def judged(self) -> list[tuple[str, Line]]:
        """Every line, with the series that it is of: nothing for proofs, nor where there is one series only."""
        several = len(self.series) > 1
        measured = [(one.label if several else "", line) for one in self.series for line in one.lines]
        return [("", line) for line in self.lines] + measured

    @property
    def failing(self) -> list[str]:
        """A sentence for everything that is not as it should be."""
        return [
            f"{label + ' ' if label else ''}{line.sentence}"
            for label, line in self.judged
            if line.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
        ]

    def summary(self, page: Path | None = None) -> dict[str, Any]:
        """The small object: verdict, the percentiles of the first series, and where the report's page is."""
        found: dict[str, Any] = {
            "verdict": self.verdict.value,
            "stack": self.plan.stack,
            "gateway": self.plan.gateway,
            "url": self.plan.url,
            "boot": self.boot,
            "budgetScale": self.plan.budget_scale,
            "readySeconds": None if self.ready_seconds is None else round(self.ready_seconds, 1),
            "tls": self.tls_version,
            "verified": self.tls_version and not self.plan.trust.insecure,
        }
        if self.series:
            first = self.series[0]
            latency = summarise(first.rounds.gateway)
            found |= {f"p{p:g}": round(value, 3) for p, value in latency.percentiles.items()}
            found |= {"max": round(latency.maximum, 3), "count": latency.count}
            found["errors"] = sum(one.rounds.errors.total() for one in self.series)
        if self.causes:
            found |= {"cause": self.causes[0].sentence, "remedy": self.causes[0].remedy}
        found |= {"problem": self.problem, "failing": self.failing, "report": page and str(page)}
        return {key: value for key, value in found.items() if value not in (None, [])}

    def report(self) -> report_document.Report:
        """All that is known."""
        return report_document.Report(
            verdict=self.verdict.value,
            stack=self.plan.stack,
            gateway=self.plan.gateway,
            url=self.plan.url,
            budget_scale=self.plan.budget_scale,
            at=self.at,
            nordgate=__version__,
            ready_seconds=None if self.ready_seconds is None else round(self.ready_seconds, 1),
            tls=self.tls_version,
            verified=None if self.tls_version is None else not self.plan.trust.insecure,
            versions=self.versions,
            causes=[
                report_document.Cause(sentence=one.sentence, remedy=one.remedy, evidence=list(one.evidence))
                for one in self.causes
            ],
            problem=self.problem,
            failing=self.failing,
            lines=_rows(self.lines),
            series=[_series(self.plan, one) for one in self.series],
            evidence=self.evidence
            and report_document.Evidence(console=self.evidence.console, cloud_init=self.evidence.cloud_init),
        )


def _series(plan: Plan, series: Series) -> report_document.SeriesReport:
    assert plan.load is not None  # noqa: S101 - or there would be no series
    rounds = series.rounds
    both = bool(rounds.baseline)
    pairs = zip_longest(rounds.gateway, rounds.baseline)
    return report_document.SeriesReport(
        vantage=series.vantage.name,
        path=series.path,
        protocol=series.protocol,
        rate=plan.load.rate,
        connections=plan.load.connections,
        latency=_figures(summarise(rounds.gateway)),
        baseline=_figures(summarise(rounds.baseline)) if both else None,
        overhead_p50=round(overhead(rounds.gateway, rounds.baseline, 50), 3) if both else None,
        overhead_p99=round(overhead(rounds.gateway, rounds.baseline, 99), 3) if both else None,
        rounds=[
            report_document.Round(gateway=_one(gateway), baseline=other and _one(other)) for gateway, other in pairs
        ],
        sent=rounds.sent,
        errors=dict(rounds.errors),
        generator=report_document.Generator(
            processor=round(rounds.processor, 3),
            late_sends=rounds.late(late_after(series.budget)),
            worst_delay=round(rounds.worst_delay * 1000, 3),
            reconnects=rounds.reconnects,
            lost=rounds.lost,
        ),
        stolen=None if rounds.stolen is None else round(rounds.stolen, 4),
        attempts=series.attempts,
        notes=series.notes,
        lines=_rows(series.lines),
    )


def _one(tally: Tally) -> report_document.Figures:
    return _figures(summarise([tally]))


def _figures(latency: Latency) -> report_document.Figures:
    p50, p90, p99, p999 = (round(value, 3) for value in latency.percentiles.values())
    return report_document.Figures(
        p50=p50, p90=p90, p99=p99, p999=p999, max=round(latency.maximum, 3), count=latency.count,
        throughput=round(latency.throughput, 2),
    )  # fmt: skip


def _rows(lines: list[Line]) -> list[report_document.Row]:
    return [
        report_document.Row(what=line.what, found=line.found, budget=line.budget, verdict=line.verdict.value)
        for line in lines
    ]
