"""One whole check: ready, then proved, then measured; each part only if the one before it was good."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from hosts.agent import GuestAgent
from hosts.problems import DomainStopped, Problem
from hosts.virsh import Hypervisor
from smoke import evidence, measure, proofs, readiness, verdict
from smoke.http1 import Target, tls_context
from smoke.plan import Libvirt, Plan, Trust
from smoke.problems import NotReady, UsageProblem
from smoke.progress import Progress
from smoke.result import Result
from smoke.verdict import Line, Verdict


def check(plan: Plan, progress: Progress) -> Result:
    """Check one gateway. A problem ends the check and is part of the result; only a wrong plan is raised."""
    result = Result(plan)
    try:
        _check(plan, progress, result)
    except UsageProblem:
        raise
    except Problem as problem:
        result.problem = str(problem)
    return result


def _check(plan: Plan, progress: Progress, result: Result) -> None:
    pinned = _ready(plan, plan.libvirt, progress, result) if plan.libvirt else None
    authorities = trusted(plan.trust, pinned)
    target = Target(*plan.address, plan.name, tls_context(authorities, plan.trust.insecure))
    with progress.phase("health and a proxied request over TLS"):
        proved = asyncio.run(proofs.prove(plan, target))
    result.tls_version = proved.tls_version
    result.lines += proved.lines
    if verdict.overall(result.lines) is not Verdict.PASS or plan.load is None:
        return
    result.series = measure.measure(plan, plan.load, authorities, progress)


def trusted(trust: Trust, pinned: str | None) -> str | None:
    """The PEM text to verify against: the pinned certificate, a file's, or None for the machine's authorities."""
    if pinned is not None or trust.ca_file is None:
        return pinned
    try:
        return Path(trust.ca_file).read_text(errors="replace")
    except OSError as error:
        raise UsageProblem(f"cannot read the CA file {trust.ca_file}: {error.strerror}.") from None


def _ready(plan: Plan, libvirt: Libvirt, progress: Progress, result: Result) -> str | None:
    """Wait for the guest; the certificate to pin, if the plan pins one made there."""
    hypervisor = Hypervisor(libvirt.uri)
    agent = GuestAgent(hypervisor, libvirt.domain)
    started = time.monotonic()
    try:
        readiness.wait_until_ready(plan, hypervisor, agent, progress)
    except (NotReady, DomainStopped):
        result.evidence = evidence.collect(libvirt, hypervisor)
        raise
    result.ready_seconds = time.monotonic() - started
    bound = f"≤ {plan.readiness.timeout_seconds:.0f} s"
    result.lines.append(Line("ready", f"{result.ready_seconds:.1f} s", bound, Verdict.PASS))
    if plan.trust.guest_certificate is None:
        return None
    return agent.read_file(plan.trust.guest_certificate).decode("ascii", errors="replace")
