"""A guest that cannot be asked: what its gateway shows from outside is proved, and nothing else is claimed."""

from __future__ import annotations

import asyncio

from nordgate.errors import AgentError, AgentSilentError, NordgateError, TargetError
from smoke.diagnosis import Cause
from smoke.http1 import Target, get, tls_context
from smoke.plan import Plan, Trust
from smoke.verdict import Line, Verdict

_WITHIN = 3.0

_RESTART = (
    "start the agent again: by SSH with one of `authorizedKeys` (`sudo systemctl restart qemu-guest-agent`), or with "
    "the guest (`make stop STACK={stack} GATEWAY={gateway}`, then `make start`); `make ssh` itself needs the agent"
)
_ALLOW = "allow the guest agent its commands again: `block-rpcs` and `allow-rpcs` in the guest's /etc/qemu/qemu-ga.conf"
_HOST = "look at libvirt on the host: `systemctl status libvirtd virtqemud` there, and the way to it"


def serves(plan: Plan) -> bool:
    """Whether the gateway answers its health path from here, whoever it is: its certificate may lie in the guest."""
    target = Target(*plan.address, plan.name, tls_context(None, insecure=True))

    async def ask() -> int:
        async with asyncio.timeout(_WITHIN):
            reply, _ = await get(target, plan.paths.health)
            return reply.status

    try:
        return asyncio.run(ask()) == 200
    except (TargetError, TimeoutError):
        return False


def from_outside(plan: Plan) -> Plan:
    """The plan for a check without the guest: a certificate that is pinned there cannot be verified."""
    return plan.model_copy(update={"trust": Trust(insecure=True)}) if plan.trust.guest_certificate else plan


def line(problem: NordgateError) -> Line:
    """All that is in the guest, which nobody can tell now."""
    return Line("guest", f"could not tell: {str(problem).rstrip('.')}", "proved", Verdict.INCONCLUSIVE)


def pinned_certificate(plan: Plan) -> list[Line]:
    """A certificate that lies in the guest cannot be compared with the one that is served."""
    if plan.trust.guest_certificate is None:
        return []
    return [Line("certificate, pinned", "could not tell: it lies in the guest", "valid", Verdict.INCONCLUSIVE)]


def cause(plan: Plan, problem: NordgateError) -> Cause:
    """Why the check ends without a verdict, and what to do."""
    remedy = _RESTART if isinstance(problem, AgentSilentError) else _ALLOW if isinstance(problem, AgentError) else _HOST
    return Cause(
        "the gateway serves, and its guest cannot be asked",
        remedy.format(stack=plan.stack, gateway=plan.gateway),
        (str(problem),),
    )
