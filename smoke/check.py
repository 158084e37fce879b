"""One whole check: ready, then proved, then measured; each part only if the one before it was good."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from hosts import power
from hosts.agent import GuestAgent
from hosts.observe import boot_id
from hosts.problems import DomainStopped, GuestFileMissing, Problem
from hosts.virsh import Hypervisor
from smoke import alerts, evidence, guest, measure, proofs, readiness, reuse, verdict
from smoke.certificates import self_signed
from smoke.http1 import Target, tls_context
from smoke.plan import GuestPromises, Libvirt, Plan, Trust
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
    if plan.libvirt and result.verdict is Verdict.FAIL and not result.evidence:
        result.evidence = evidence.collect(plan.libvirt, Hypervisor(plan.libvirt.uri))
    return result


def _check(plan: Plan, progress: Progress, result: Result) -> None:
    agent = GuestAgent(Hypervisor(plan.libvirt.uri), plan.libvirt.domain) if plan.libvirt else None
    pinned = _ready(plan, plan.libvirt, agent, progress, result) if plan.libvirt and agent else None
    ready = time.monotonic()
    if pinned is None and plan.names:
        # Clients of a certificate that was delivered ask for the names that are declared.
        plan = plan.model_copy(update={"server_name": plan.names[0]})
    authorities = trusted(plan.trust, pinned)

    def context() -> ssl.SSLContext:
        return tls_context(authorities, plan.trust.insecure)

    target = Target(*plan.address, plan.name, context())
    with progress.phase("proofs over TLS"):
        proved = proofs.prove(plan, target, context, pinned is not None)
    result.tls_version = proved.tls_version
    result.lines += proved.lines
    if agent and plan.guest and verdict.overall(proved.lines) is Verdict.PASS:
        with progress.phase("proofs in the guest"):
            _prove_guest(plan, plan.guest, agent, target, result)
    if verdict.overall(result.lines) is not Verdict.PASS:
        return
    stat = (lambda: agent.read_file("/proc/stat").decode()) if agent else None
    if plan.load is not None:
        result.series = measure.measure(plan, plan.load, authorities, progress, stat)
    if agent and plan.guest:
        result.lines.append(alerts.prove(agent, time.monotonic() - ready))


def trusted(trust: Trust, pinned: str | None) -> str | None:
    """The PEM text to verify against: the pinned certificate, what is declared, or None for the machine's own."""
    if pinned is not None or trust.ca_file is None:
        return pinned or trust.ca_certificate
    try:
        return Path(trust.ca_file).read_text(errors="replace")
    except OSError as error:
        raise UsageProblem(f"cannot read the CA file {trust.ca_file}: {error.strerror}.") from None


def _prove_guest(plan: Plan, promises: GuestPromises, agent: GuestAgent, target: Target, result: Result) -> None:
    reading = guest.read(agent, promises)
    result.versions = reading.versions
    result.lines += guest.prove(reading, promises)
    if promises.access_log:
        result.lines.append(reuse.prove(agent, promises.access_log, target, plan.paths.proxied))
    result.lines += guest.settled(agent, promises)


def _ready(plan: Plan, libvirt: Libvirt, agent: GuestAgent, progress: Progress, result: Result) -> str | None:
    """Wait for the guest; the certificate to pin, if the plan pins the one that it serves."""
    started = time.monotonic()
    if libvirt.start and power.state(agent.hypervisor, libvirt.domain) == "shut off":
        with progress.phase(f"start {libvirt.domain}, which is shut off"):
            power.start(agent.hypervisor, libvirt.domain)
    try:
        readiness.wait_until_ready(plan, agent.hypervisor, agent, progress)
    except (NotReady, DomainStopped):
        result.evidence = evidence.collect(libvirt, agent.hypervisor)
        raise
    result.boot = boot_id(agent.hypervisor, agent.domain)
    result.ready_seconds = time.monotonic() - started
    bound = f"≤ {plan.readiness.timeout_seconds:.0f} s"
    result.lines.append(Line("ready", f"{result.ready_seconds:.1f} s", bound, Verdict.PASS))
    if plan.trust.guest_certificate is None:
        return None
    served = agent.read_file(plan.trust.guest_certificate)
    if plan.trust.self_signed is not None and not _made_there(agent, plan.trust.self_signed, served):
        return None
    return served.decode("ascii", errors="replace")


def _made_there(agent: GuestAgent, own: str, served: bytes) -> bool:
    """Whether what a guest serves is what it has made itself: by what lies there, not by what the wire shows."""
    try:
        return agent.read_file(own) == served and self_signed(served)
    except GuestFileMissing:
        return False
