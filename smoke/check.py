"""One whole check: ready, then proved, then measured; each part only if the one before it was good."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hashlib
import ssl
import time
from pathlib import Path

from nordgate.errors import (
    AgentError,
    DomainStoppedError,
    GuestFileMissingError,
    HypervisorError,
    NordgateError,
    NotReadyError,
    TargetError,
    UsageError,
)
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.observation import boot_id
from nordgate.hypervisor.virsh import Hypervisor
from smoke import (
    agent_unreachable,
    alerts,
    diagnostics,
    guest_proofs,
    measure,
    proofs,
    readiness,
    reuse,
    symptoms,
    verdict,
)
from smoke.certificates import self_signed
from smoke.check_facts import Facts
from smoke.diagnosis import causes
from smoke.http1 import Target, get, tls_context
from smoke.plan import GuestPromises, Libvirt, Plan, Trust
from smoke.progress import Progress
from smoke.result import Result
from smoke.verdict import Line, Verdict

_AGENT_ERRORS = (AgentError, HypervisorError)
"""What stands between a check and the inside of a guest; a domain that has stopped is none of it."""


def check(plan: Plan, progress: Progress) -> Result:
    """Check one gateway. A problem ends the check and is part of the result; only a wrong plan is raised."""
    result, began = Result(plan), time.monotonic()
    try:
        _check(plan, progress, result)
    except UsageError:
        raise
    except NordgateError as problem:
        result.problem = str(problem)
    if plan.libvirt and result.verdict is Verdict.FAIL:
        hypervisor = Hypervisor(plan.libvirt.uri)
        result.causes = []
        if result.boot is not None:
            with progress.phase("ask the guest why"):
                agent = GuestAgent(hypervisor, plan.libvirt.domain)
                result.causes = causes(symptoms.ask(plan, agent, result.lines, result.problem, began))
        result.evidence = result.evidence or diagnostics.collect(plan.libvirt, hypervisor)
    elif result.verdict is Verdict.INCONCLUSIVE and not result.causes:
        doubts = tuple(line for line in result.lines if line.verdict is Verdict.INCONCLUSIVE)
        result.causes = causes(Facts(doubts, stack=plan.stack, gateway=plan.gateway))
    return result


def _check(plan: Plan, progress: Progress, result: Result) -> None:
    agent = GuestAgent(Hypervisor(plan.libvirt.uri), plan.libvirt.domain) if plan.libvirt else None
    pinned = None
    try:
        pinned = _ready(plan, plan.libvirt, agent, progress, result) if plan.libvirt and agent else None
    except _AGENT_ERRORS as problem:
        if isinstance(problem, DomainStoppedError) or not agent_unreachable.serves(plan):
            raise
        _could_not_ask(problem, result)
        result.lines += agent_unreachable.pinned_certificate(plan)
        result.plan, agent = agent_unreachable.from_outside(plan), None
    plan = result.plan
    ready = time.monotonic()
    if pinned is None and plan.names:
        # Clients of a certificate that was delivered ask for the names that are declared.
        plan = plan.model_copy(update={"server_name": plan.names[0]})
    authorities = trusted(plan.trust, pinned)

    def context() -> ssl.SSLContext:
        return tls_context(authorities, plan.trust.insecure)

    target = Target(*plan.address, plan.name, context())
    try:
        with progress.phase("proofs over TLS"):
            proved = proofs.prove(plan, target, context, pinned is not None)
        result.tls_version = proved.tls_version
        result.lines += proved.lines
    except TargetError as problem:
        result.problem = str(problem)
    if agent and plan.guest:
        # Where the gateway fails from outside, the guest knows why.
        reached = result.problem is None and verdict.overall(result.lines) is not Verdict.FAIL
        try:
            with progress.phase("proofs in the guest"):
                _prove_guest(plan, plan.guest, agent, target, result, reached)
        except _AGENT_ERRORS as problem:
            if isinstance(problem, DomainStoppedError):
                raise
            _could_not_ask(problem, result)
    if result.problem or verdict.overall(result.lines) is Verdict.FAIL:
        return
    if plan.load is not None:
        result.series = measure.measure(plan, plan.load, authorities, progress, _stat(agent) if agent else None)
    if agent and plan.guest and not result.agent_unreachable:
        try:
            result.lines.append(alerts.prove(agent, time.monotonic() - ready))
        except _AGENT_ERRORS as problem:
            _could_not_ask(problem, result)


def _could_not_ask(problem: NordgateError, result: Result) -> None:
    result.agent_unreachable = True
    result.lines.append(agent_unreachable.line(problem))
    result.causes = [agent_unreachable.cause(result.plan, problem)]


def _stat(agent: GuestAgent) -> measure.GuestStat:
    def read() -> str | None:
        try:
            return agent.read_file("/proc/stat").decode()
        except _AGENT_ERRORS:
            return None

    return read


def trusted(trust: Trust, pinned: str | None) -> str | None:
    """The PEM text to verify against: the pinned certificate, what is declared, or None for the machine's own."""
    if pinned is not None or trust.ca_file is None:
        return pinned or trust.ca_certificate
    try:
        return Path(trust.ca_file).read_text(errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read the CA file {trust.ca_file}: {error.strerror}.") from None


def _prove_guest(
    plan: Plan, promises: GuestPromises, agent: GuestAgent, target: Target, result: Result, reached: bool
) -> None:
    reading, lines = guest_proofs.proofs(agent, promises, guest_proofs.SETTLED_WITHIN if reached else 0)
    result.versions = reading.versions
    result.lines += lines
    if reading.fingerprint:
        result.lines += _in_force(target, plan.paths.health, reading.fingerprint)
    if reached and promises.access_log:
        result.lines += reuse.prove(agent, promises.access_log, target, plan.paths.proxied)


def _in_force(target: Target, path: str, fingerprint: str) -> list[Line]:
    """Whether nginx serves the certificate that its next start would load; nothing when it serves none."""
    anyone = dataclasses.replace(target, context=tls_context(None, insecure=True))
    try:
        _, tls = asyncio.run(get(anyone, path))
    except TargetError:
        return []
    served = hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
    good = served == fingerprint
    found = "the one on disk" if good else f"{served[:16]}, on disk {fingerprint[:16]}"
    return [Line.judged("certificate in force", found, "the one on disk", good)]


def _ready(plan: Plan, libvirt: Libvirt, agent: GuestAgent, progress: Progress, result: Result) -> str | None:
    """Wait for the guest; the certificate to pin, if the plan pins the one that it serves."""
    started = time.monotonic()
    wait = readiness.brought_back if libvirt.start else readiness.wait_until_ready
    try:
        patient = GuestAgent(agent.hypervisor, agent.domain, timeout=5)
        wait(plan, agent.hypervisor, patient, progress, serves=functools.partial(agent_unreachable.serves, plan))
    except (NotReadyError, DomainStoppedError):
        result.evidence = diagnostics.collect(libvirt, agent.hypervisor)
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
    except GuestFileMissingError:
        return False
