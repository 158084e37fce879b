"""The latency part of a check: every series of the plan, measured again while noise leaves it undecided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from smoke import vantage as vantages
from smoke.engine.job import HEALTH_CHECK, HTTP1, HTTP2, Endpoint, Job, Tally
from smoke.load import Budget, Load, Vantage
from smoke.plan import Plan
from smoke.plan_model import host_and_port
from smoke.plan_parts import KeepAlive
from smoke.progress import Progress
from smoke.rounds import Rounds
from smoke.verdict import Line, Verdict, judge, overall

GuestStat = Callable[[], str | None]
"""Reads the guest's /proc/stat; None from a guest that cannot be asked now."""


@dataclass
class Series:
    """One path over one protocol from one place."""

    vantage: Vantage
    path: str
    protocol: str
    budget: Budget
    rounds: Rounds
    lines: list[Line]
    attempts: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """How tables and reports call the series."""
        return f"{self.vantage.name} {self.path} {self.protocol}"


def measure(
    plan: Plan, load: Load, authorities: str | None, progress: Progress, guest_stat: GuestStat | None = None
) -> list[Series]:
    """Measure all series. `authorities` is PEM text of what is trusted; None: the machine's authorities."""
    return [
        _series(plan, load, vantage, path, protocol, authorities, progress, guest_stat)
        for vantage in plan.vantages
        for path in plan.measured_paths
        for protocol in load.protocols
        if path != HEALTH_CHECK or protocol == HTTP2
    ]


def _series(
    plan: Plan, load: Load, vantage: Vantage, path: str, protocol: str, authorities: str | None,
    progress: Progress, guest_stat: GuestStat | None,
) -> Series:  # fmt: skip
    budget = plan.budget_of(vantage, path)
    job = _job(plan, load, vantage, path, protocol, authorities)
    place = "" if vantage.reach == "local" else f" from {vantage.name}"
    title = f"{load.rate:g} requests/s of {path} over {protocol}{place}"
    for attempt in range(1, plan.retries + 2):
        with progress.phase(title if attempt == 1 else f"{title}, attempt {attempt}") as tell:
            rounds, notes = _rounds(vantage, job, tell, guest_stat)
        rounds = replace(rounds, most_reconnects=most_reconnects(job, plan.keep_alive))
        lines = judge(rounds, budget)
        # Connections that this machine cannot open, it cannot open the next time either.
        if overall(lines) is not Verdict.INCONCLUSIVE or rounds.missing_connections:
            break
    return Series(vantage, path, protocol, budget, rounds, lines, attempt, notes)


def _rounds(
    vantage: Vantage, job: Job, tell: Callable[[str], None], guest_stat: GuestStat | None
) -> tuple[Rounds, list[str]]:
    found: tuple[list[Tally], list[Tally]] = ([], [])
    notes = []
    before = guest_stat() if guest_stat else None
    for told in vantages.measure(vantage, job):
        if isinstance(told, str):
            notes.append(told)
            continue
        found[told.endpoint].append(told)
        tell(f"round {len(found[-1] if len(job.endpoints) > 1 else found[0])} of {job.rounds}")
    after = guest_stat() if guest_stat and before is not None else None
    stolen = stolen_share(before, after) if before is not None and after is not None else None
    return Rounds(*found, stolen), notes


def _job(plan: Plan, load: Load, vantage: Vantage, path: str, protocol: str, authorities: str | None) -> Job:
    host, port = host_and_port(vantage.connect) if vantage.connect else plan.address
    gateway = Endpoint(host, port, plan.name, path, protocol, True, authorities, plan.trust.insecure)
    endpoints = (gateway, _baseline(plan.baseline)) if plan.baseline else (gateway,)
    return Job(
        endpoints, load.rate, load.duration_seconds / load.rounds, load.rounds,
        load.warm_up_seconds, load.connections, load.streams, load.timeout_seconds,
        plan.in_real_time(vantage),
    )  # fmt: skip


def most_reconnects(job: Job, keep_alive: KeepAlive | None) -> int | None:
    """How many connections may have to be replaced: each once, as after a reload, and those used up by requests.

    None where it is not known, or where connections are idle for so long that the gateway ends them.
    """
    others = job.round_seconds * (len(job.endpoints) - 1)
    if keep_alive is None or job.connections / job.rate + others >= keep_alive.timeout_seconds:
        return None
    requests = job.rate * (job.warm_up_seconds + job.round_seconds * job.rounds)
    return job.connections + int(requests / keep_alive.requests)


def _baseline(url: str) -> Endpoint:
    parts = urlsplit(url)
    host, port = host_and_port(parts.netloc, 80)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return Endpoint(host, port, parts.netloc, path, HTTP1, tls=False)


def stolen_share(before: str, after: str) -> float:
    """The share of processor time that the host took from a guest, from its /proc/stat at two moments (proc(5))."""
    first, second = (_processor_times(text) for text in (before, after))
    passed = [end - begin for begin, end in zip(first, second, strict=True)]
    return passed[7] / max(1, sum(passed))


def _processor_times(stat: str) -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal; guest times are in user already."""
    return [int(word) for word in stat.split("\n", 1)[0].split()[1:9]]
