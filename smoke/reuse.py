"""Whether the gateway uses its connections to the upstreams again: by its own timing fields and the kernel's count."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

from hosts.agent import GuestAgent
from smoke.engine.job import HEALTH_CHECK
from smoke.grpc_calls import Calls
from smoke.http1 import Connection, Target, connect, exchange
from smoke.verdict import Line, Verdict

REQUESTS = 20
"""In a row: several times as many as a gateway has upstream servers behind one path, as a rule."""

_TRIES = 3
"""A path with very many servers needs a few rounds until each has its connection; other clients open some too."""

_LOGGED_WITHIN = 10
"""Seconds until nginx has written what it held back: it is told by a signal."""

_LINES = f"""
read -r master </run/nginx.pid && kill -USR1 "$master"
log=$1; last=$2; shift
while
    # The gateway may be busy: among the lines of other clients, these are far apart. And after a power cut there are
    # zeros among them.
    lines=$(tail -c 16M "$log" | grep --text -F -f <(printf '%s\\n' "$@"))
    [[ $lines != *"$last"* ]] && ((SECONDS < {_LOGGED_WITHIN}))
do
    sleep 0.2
done
printf '%s\\n' "$lines"
"""


@dataclass(frozen=True)
class _Asked:
    request_ids: list[str]
    good: int
    opened: int
    """TCP connections that the guest opened meanwhile."""


def prove(agent: GuestAgent, access_log: str, target: Target, path: str) -> Line:
    """Requests in a row on one connection; a new upstream connection for each of them is the failure.

    The kernel's count of opened connections decides: a connect time of 0.000 s also stands for an upstream so near
    that a new connection takes less than half a millisecond.
    """
    asked = asyncio.run(_ask(agent, target, path))
    times = _connect_times(agent, access_log, asked.request_ids)
    at_once = sum(time == 0 for time in times)
    found = f"{asked.opened} opened for {asked.good} requests; {at_once} of {len(times)} logged with no connect time"
    good = asked.good == REQUESTS and asked.opened <= REQUESTS // 2 and at_once * 2 >= len(times) > 0
    what = "upstream connections used again"
    return Line(what, found, f"≤ {REQUESTS // 2} opened", Verdict.PASS if good else Verdict.FAIL)


async def _ask(agent: GuestAgent, target: Target, path: str) -> _Asked:
    """One client connection, so that all requests reach the same worker: each has upstream connections of its own."""
    connection = await (Calls.open(target) if path == HEALTH_CHECK else connect(target))
    try:
        for _ in range(_TRIES):
            request_ids, good, before, started = [], 0, _opened(agent), time.monotonic()
            for _ in range(REQUESTS):
                asking = connection.call() if isinstance(connection, Calls) else exchange(connection, target, path)
                reply = await asking
                good += reply.status == 200
                request_ids.append(reply.headers.get("x-request-id", ""))
            opened = _opened(agent) - before
            if opened > REQUESTS // 2:
                opened = max(0, opened - await _opened_by_others(agent, time.monotonic() - started))
            asked = _Asked(request_ids, good, opened)
            if asked.good < REQUESTS or asked.opened <= REQUESTS // 2:
                break
    finally:
        if isinstance(connection, Connection):
            connection.on_lost = None
        connection.close()
    return asked


async def _opened_by_others(agent: GuestAgent, seconds: float) -> int:
    """As many as are opened in that time while we ask nothing: a gateway in service has other clients."""
    before = _opened(agent)
    await asyncio.sleep(seconds)
    return _opened(agent) - before


def _opened(agent: GuestAgent) -> int:
    """TCP connections that the guest has opened since it started."""
    rows = [line.split() for line in agent.read_file("/proc/net/snmp").decode().splitlines() if line.startswith("Tcp:")]
    names, values = rows[0], rows[1]
    return int(values[names.index("ActiveOpens")])


def _connect_times(agent: GuestAgent, access_log: str, request_ids: list[str]) -> list[float]:
    """Of those requests, in seconds: nginx reopens its log first, and so writes what it still holds."""
    if not all(request_ids):
        return []  # not our gateway: it names no request
    words = ["/bin/bash", "-c", _LINES, "-", access_log, request_ids[-1], *request_ids]
    out = agent.exec(words, timeout=3 * _LOGGED_WITHIN).stdout.decode(errors="replace")
    times = []
    for line in out.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("request_id") in request_ids and entry.get("upstream_connect", "-").replace(".", "").isdigit():
            times.append(float(entry["upstream_connect"]))
    return times
