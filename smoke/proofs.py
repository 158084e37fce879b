"""Proofs: free of noise, one line each."""

from __future__ import annotations

from dataclasses import dataclass

from smoke.http1 import Reply, Target, get
from smoke.plan import Plan
from smoke.verdict import Line, Verdict

_NGINX_OWN = (b"<center>nginx", b"<title>Welcome to nginx")


@dataclass(frozen=True)
class Proofs:
    lines: list[Line]
    tls_version: str


async def prove(plan: Plan, target: Target) -> Proofs:
    """The gateway is who it says, speaks TLS 1.2 or later, is healthy, and passes requests to an upstream."""
    health, tls = await get(target, plan.paths.health)
    version = tls.version() or "none"
    if plan.trust.insecure:
        certificate = Line("certificate", f"NOT verified ({version})", "TLS ≥ 1.2", Verdict.SHOWN)
    else:
        anchor = "pinned" if plan.trust.guest_certificate else "verified"
        certificate = Line("certificate", f"{anchor} ({version})", "TLS ≥ 1.2", Verdict.PASS)
    proxied, _ = await get(target, plan.paths.proxied)
    return Proofs([certificate, _health(plan, health), _proxied(plan, proxied)], version)


def _health(plan: Plan, reply: Reply) -> Line:
    return Line(plan.paths.health, str(reply.status), "200", _pass_if(reply.status == 200))


def _proxied(plan: Plan, reply: Reply) -> Line:
    own = any(mark in reply.body for mark in _NGINX_OWN)
    found = f"{reply.status}, nginx's own page" if own else f"{reply.status} from an upstream"
    if not own and reply.status != 200:
        found = str(reply.status)
    return Line(plan.paths.proxied, found, "200 from an upstream", _pass_if(reply.status == 200 and not own))


def _pass_if(good: bool) -> Verdict:
    return Verdict.PASS if good else Verdict.FAIL
