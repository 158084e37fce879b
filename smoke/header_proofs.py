"""What the answers of a gateway carry in their heads: each declared header, on every answer, and once."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nordgate.errors import TargetError
from smoke import grpc_calls, http2
from smoke.engine.job import HEALTH_CHECK
from smoke.handshakes import MakeContext
from smoke.http1 import Reply, Target, connected, exchange
from smoke.http2 import Request
from smoke.plan import Plan
from smoke.verdict import Line

Wanted = dict[str, str | None]
HSTS = "Strict-Transport-Security"
_SINGLE = ("Content-Length", "Content-Type", "Date", "Location", "Server")
"""Of which every server sends one at most, whoever else adds headers."""
_UNKNOWN_METHOD = "FROBNICATE"
_TOO_LARGE = 1 << 50
_NAMED = 3
"""So many answers are named in a line; of more, the number."""


@dataclass(frozen=True)
class Answer:
    """One answer, how it was asked for, and the headers that it must carry: each with its value, or with any."""

    label: str
    reply: Reply
    wanted: Wanted


def ask(plan: Plan, target: Target, make: MakeContext) -> list[Answer]:
    """Good answers of the gateway and of its upstreams, and errors that it makes, over HTTP/1.1 and HTTP/2.

    Raises TargetError for a request that is not answered.
    """
    paths = dict.fromkeys([plan.paths.health, plan.paths.proxied, *plan.measured_paths])
    asked = [(Request("GET", path), plan.headers.on(path)) for path in paths if path != HEALTH_CHECK]
    asked += _errors(plan) if plan.headers.each else []
    answers = [_answer(request, "1.1", asyncio.run(_ask(target, request)), wanted) for request, wanted in asked]
    if not plan.headers.each:
        # Of someone else's gateway nothing is known: it may end the connection instead.
        with contextlib.suppress(TargetError):
            trace = Request("TRACE", plan.paths.health)
            answers.append(_answer(trace, "1.1", asyncio.run(_ask(target, trace)), {}))
    if "http2" not in plan.skip:
        # None where HTTP/2 is not offered: that is a line of its own.
        replies = http2.ask(target, make(), [request for request, _ in asked])
        answers += [
            _answer(request, "2", reply, wanted) for (request, wanted), reply in zip(asked, replies, strict=False)
        ]
    if HEALTH_CHECK in paths:
        call = Request("POST", HEALTH_CHECK)
        answers.append(_answer(call, "2", asyncio.run(grpc_calls.health(target)), plan.headers.on(HEALTH_CHECK)))
    return answers


def _errors(plan: Plan) -> list[tuple[Request, Wanted]]:
    """Those that nginx makes before it looks for a route, in its own code and in ours, and one within a route."""
    each, limited = plan.headers.each, plan.paths.limited
    found = [(Request("TRACE", plan.paths.health), each), (Request(_UNKNOWN_METHOD, plan.paths.proxied), each)]
    if limited:
        found.append((Request("POST", limited, _TOO_LARGE), plan.headers.on(limited)))
    return found


def _answer(request: Request, version: str, reply: Reply, wanted: Wanted) -> Answer:
    return Answer(f"{request.label} over HTTP/{version}", reply, wanted)


async def _ask(target: Target, request: Request) -> Reply:
    async with connected(target) as connection:
        return await exchange(connection, target, request.path, request.method, length=request.length)


def declared(answers: Sequence[Answer], never: Sequence[str]) -> list[Line]:
    """A line for every header that is declared, one for those that nobody may see, one for what is sent twice."""
    names = list(dict.fromkeys(name for answer in answers for name in answer.wanted))
    lines = [_once(name, [answer for answer in answers if name in answer.wanted]) for name in names]
    lines += [_never(name, answers) for name in never]
    doubles = [f"{name}: {where}" for name in _SINGLE if (where := _where(answers, _more_than_one(name)))]
    return [*lines, Line.judged("headers sent twice", "; ".join(doubles) or "none", "none", not doubles)]


def hsts(answers: Sequence[Answer], seconds: int) -> Line:
    """On every answer, once, and for long enough."""

    def short(answer: Answer) -> bool:
        age = re.search(r"max-age=(\d+)", answer.reply.value(HSTS))
        return _count(answer, HSTS) == 1 and (age is None or int(age[1]) < seconds)

    trouble = _trouble(HSTS, answers, short)
    found = trouble or answers[0].reply.value(HSTS)
    return Line.judged(HSTS, found, f"once on every answer, max-age ≥ {seconds}", not trouble)


def version(answers: Sequence[Answer]) -> Line:
    """In the header of good answers, and in header and body of an error that nginx makes itself."""
    told = (text for answer in answers for text in (*answer.reply.values("server"), _own_body(answer)))
    shown = next((found[0] for text in told if (found := re.search(r"nginx/[\d.]+", text))), "")
    return Line.judged("version of the server", shown or "hidden", "hidden", not shown)


def _own_body(answer: Answer) -> str:
    """An upstream may speak of nginx as it likes."""
    return answer.reply.body.decode("latin-1") if answer.reply.status >= 400 else ""


def _once(name: str, answers: Sequence[Answer]) -> Line:
    values = {answer.wanted[name] for answer in answers}
    trouble = _trouble(name, answers, lambda a: _other(name, a))
    wanted = "once on every answer" + "".join(f": {value}" for value in sorted(v for v in values if v is not None))
    return Line.judged(f"header {name}", trouble or f"once on {len(answers)} answers", wanted, not trouble)


def _other(name: str, answer: Answer) -> bool:
    wanted = answer.wanted[name]
    return wanted is not None and _count(answer, name) == 1 and answer.reply.value(name) != wanted


def _never(name: str, answers: Sequence[Answer]) -> Line:
    where = _where(answers, lambda a: _count(a, name) > 0)
    return Line.judged(f"header {name}", f"sent: {where}" if where else "hidden", "hidden", not where)


def _trouble(name: str, answers: Sequence[Answer], other: Callable[[Answer], bool]) -> str:
    """Where the header is missing, sent twice, or something else than it should be; empty where it is right."""
    kinds: dict[str, Callable[[Answer], bool]] = {
        "missing": lambda a: _count(a, name) == 0,
        "sent twice": lambda a: _count(a, name) == 2,
        "sent more than twice": lambda a: _count(a, name) > 2,
    }
    found = [f"{kind}: {where}" for kind, test in kinds.items() if (where := _where(answers, test))]
    differing = [answer for answer in answers if other(answer)]
    if differing:
        found.append(f'"{differing[0].reply.value(name)}": {_where(differing, lambda _: True)}')
    return "; ".join(found)


def _more_than_one(name: str) -> Callable[[Answer], bool]:
    return lambda answer: _count(answer, name) > 1


def _where(answers: Sequence[Answer], test: Callable[[Answer], bool]) -> str:
    labels = [answer.label for answer in answers if test(answer)]
    more = len(labels) - _NAMED
    return ", ".join(labels[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count(answer: Answer, name: str) -> int:
    return len(answer.reply.values(name))
