"""What a gateway shows of itself over the network: free of noise, one line each."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from nordgate.errors import TargetError
from smoke import certificates, grpc_calls, handshakes, header_proofs
from smoke.certificates import Shown
from smoke.engine.job import HEALTH_CHECK
from smoke.handshakes import MakeContext
from smoke.http1 import Reply, Target, connected, exchange, get, why
from smoke.plan import Plan, Proof
from smoke.verdict import Line, Verdict

_NGINX_OWN = (b"<center>nginx", b"<title>Welcome to nginx")
_Seen = TypeVar("_Seen")
_STRANGER = "unknown-host.invalid"


@dataclass(frozen=True)
class Proofs:
    """What was proved over the network, and the version of TLS that was agreed."""

    lines: list[Line]
    tls_version: str | None


def prove(plan: Plan, target: Target, make: MakeContext, pinned: bool = False) -> Proofs:
    """The gateway is who it says and healthy, passes requests on, and speaks TLS and HTTP as it should.

    `make` gives a new TLS context that trusts what the plan trusts, or nothing but the certificate that is `pinned`.
    Raises TargetError when it does not answer.
    """
    lines = []
    if not pinned and not plan.trust.insecure:
        lines = [_accepted(plan, target, make)]
        if lines[0].verdict is Verdict.FAIL:
            return Proofs(lines, None)
    health, tls = asyncio.run(get(target, plan.paths.health))
    version = tls.version() or "none"
    lines = lines or [_certificate(plan, version, tls)]
    if plan.paths.proxied == HEALTH_CHECK:
        proxied = asyncio.run(grpc_calls.health(target))
    else:
        proxied, _ = asyncio.run(get(target, plan.paths.proxied))
    lines += [_health(plan, health), _proxied(plan, proxied)]
    if all(line.verdict is not Verdict.FAIL for line in lines):
        # Handshakes block, and not in a thread: Ctrl-C would wait for its end.
        proofs: dict[Proof, Callable[[], list[Line]]] = {
            "tls-floor": lambda: _tls_floor(target, make),
            "ciphers": lambda: _ciphers(target, make),
            "http2": lambda: _http2(target, make),
            "resumption": lambda: _resumption(target, make),
            "unknown-host": lambda: _unknown_host(plan, target, make),
        }
        try:
            for name, proof in proofs.items():
                if name not in plan.skip:
                    lines += proof()
            lines += _answers(plan, target, make)
        except OSError as error:
            raise TargetError(why(target, error)) from None
    return Proofs(lines, version)


def _certificate(plan: Plan, version: str, tls: ssl.SSLObject) -> Line:
    if plan.trust.insecure:
        return Line("certificate", f"NOT verified ({version})", "TLS ≥ 1.2", Verdict.SHOWN)
    facts = tls.getpeercert() or {}
    ends = str(facts.get("notAfter", "")).removesuffix(" GMT")
    return Line("certificate", f"pinned ({version}), until {ends}", "valid, TLS ≥ 1.2", Verdict.PASS)


def _accepted(plan: Plan, target: Target, make: MakeContext) -> Line:
    """The certificate as clients judge it, whichever of the names they ask for."""
    found: list[tuple[Shown, list[str]]] = []
    for name in plan.names or (plan.name,):
        chain = _over(handshakes.sent, target, make, name) if found else None
        same = [names for shown, names in found if shown.sent == chain]
        if same:
            same[0].append(name)
        else:
            found.append((_over(handshakes.shown, target, make, name), [name]))
    now, troubles = datetime.now(UTC), []
    for shown, names in found:
        who = f"{', '.join(names)}: " if len(found) > 1 else ""
        troubles += [who + problem for problem in certificates.problems(shown, names, now)]
    described = certificates.described(found[0][0])
    return Line.judged("certificate", "; ".join(troubles) or described, "accepted by clients", not troubles)


def _over(look: Callable[[Target, MakeContext, str], _Seen], target: Target, make: MakeContext, name: str) -> _Seen:
    try:
        return look(target, make, name)
    except OSError as error:
        raise TargetError(why(dataclasses.replace(target, server_name=name), error)) from None


def _health(plan: Plan, reply: Reply) -> Line:
    return Line.judged(plan.paths.health, str(reply.status), "200", reply.status == 200)


def _proxied(plan: Plan, reply: Reply) -> Line:
    own = any(mark in reply.body for mark in _NGINX_OWN)
    found = f"{reply.status}, nginx's own page" if own else f"{reply.status} from an upstream"
    if not own and reply.status != 200:
        found = reply.said or str(reply.status)
    return Line.judged(plan.paths.proxied, found, "200 from an upstream", reply.status == 200 and not own)


def _tls_floor(target: Target, make: MakeContext) -> list[Line]:
    oldest = handshakes.oldest_version(target, make)
    return [Line.judged("oldest TLS", oldest, "TLSv1.2 or later", oldest in ("TLSv1.2", "TLSv1.3"))]


def _ciphers(target: Target, make: MakeContext) -> list[Line]:
    weak = handshakes.weak_cipher(target, make)
    return [Line.judged("weak ciphers", weak or "refused", "refused", not weak)]


def _http2(target: Target, make: MakeContext) -> list[Line]:
    chosen = handshakes.alpn(target, make)
    return [Line.judged("ALPN", chosen or "nothing", "h2", chosen == "h2")]


def _resumption(target: Target, make: MakeContext) -> list[Line]:
    lines = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        try:
            again = handshakes.resumed(target, make, version)
            found = "resumed" if again else "a full handshake again"
        except ssl.SSLError as error:
            again, found = False, f"no handshake: {error.reason}"
        lines.append(Line.judged(f"session of {version.name.replace('_', '.')}", found, "resumed", again))
    return lines


def _unknown_host(plan: Plan, target: Target, make: MakeContext) -> list[Line]:
    refused = handshakes.refuses_name(target, make, _STRANGER)
    handshake = Line.judged("handshake for an unknown name", "refused" if refused else "accepted", "refused", refused)
    reply = asyncio.run(_ask(target, plan.paths.health, _STRANGER))
    found = f"answered with {reply.status}" if reply else "refused"
    good = reply is None or reply.status in (400, 421)
    return [handshake, Line.judged("request for an unknown host", found, "refused", good)]


def _answers(plan: Plan, target: Target, make: MakeContext) -> list[Line]:
    """What all answers have in common: asked for once, looked at by several proofs."""
    if {"hsts", "headers", "version"} <= set(plan.skip):
        return []
    answers = header_proofs.ask(plan, target, make)
    proofs: dict[Proof, Callable[[], list[Line]]] = {
        "hsts": lambda: [header_proofs.hsts(answers, plan.hsts_seconds)],
        "headers": lambda: header_proofs.declared(answers, plan.headers.never),
        "version": lambda: [header_proofs.version(answers)],
    }
    return [line for name, proof in proofs.items() if name not in plan.skip for line in proof()]


async def _ask(target: Target, path: str, host: str) -> Reply | None:
    """The answer; None from a gateway that gives none to such a request."""
    async with connected(target) as connection:
        try:
            return await exchange(connection, target, path, host=host)
        except TargetError:
            return None
