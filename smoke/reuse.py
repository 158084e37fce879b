"""Whether the gateway uses its connections to the upstreams again: by its own timing fields and the kernel's count."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass

from nordgate.errors import TargetError
from nordgate.hypervisor.agent import GuestAgent
from smoke.engine.job import HEALTH_CHECK
from smoke.grpc_calls import Calls
from smoke.http1 import Connection, Target, connect, exchange
from smoke.verdict import Line

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
    statuses: Counter[str]
    """How often each was answered, and what ended the connection, if something did."""
    opened: int
    """TCP connections that the guest opened meanwhile."""


def prove(agent: GuestAgent, access_log: str, target: Target, path: str) -> list[Line]:
    """Requests in a row on one connection are answered, are in the log, and need no upstream connection each.

    One line for each of these, as far as the one before it holds. The kernel's count of opened connections decides:
    a connect time of 0.000 s also stands for an upstream so near that a new one takes less than half a millisecond.
    """
    asked = asyncio.run(_ask(agent, target, path))
    good = asked.statuses["200"]
    others = "".join(f", {count} x {status}" for status, count in asked.statuses.items() if status != "200")
    lines = [
        Line.judged("requests in a row", f"{good} of {REQUESTS} with 200{others}", f"{REQUESTS}", good == REQUESTS)
    ]
    if good < REQUESTS:
        return lines
    if not all(asked.request_ids):
        return [
            *lines,
            Line.judged("requests in the access log", "answers name no request (X-Request-ID)", "named", False),
        ]
    entries = _entries(agent, access_log, asked.request_ids)
    found = f"{len(entries)} of {REQUESTS}"
    lines.append(Line.judged("requests in the access log", found, f"≥ {REQUESTS // 2}", len(entries) >= REQUESTS // 2))
    if len(entries) < REQUESTS // 2:
        return lines
    times = [str(entry.get("upstream_connect", "-")) for entry in entries]
    at_once = sum(time.replace(".", "").isdigit() and float(time) == 0 for time in times)
    found = f"{asked.opened} opened for {good} requests; {at_once} of {len(times)} logged with no connect time"
    reused = asked.opened <= REQUESTS // 2 and at_once * 2 >= len(times)
    return [*lines, Line.judged("upstream connections used again", found, f"≤ {REQUESTS // 2} opened", reused)]


async def _ask(agent: GuestAgent, target: Target, path: str) -> _Asked:
    """One client connection, so that all requests reach the same worker: each has upstream connections of its own."""
    connection = await (Calls.open(target) if path == HEALTH_CHECK else connect(target))
    try:
        for _ in range(_TRIES):
            request_ids: list[str] = []
            statuses: Counter[str] = Counter()
            before, started = _opened(agent), time.monotonic()
            for _ in range(REQUESTS):
                try:
                    asking = connection.call() if isinstance(connection, Calls) else exchange(connection, target, path)
                    reply = await asking
                except TargetError as problem:
                    statuses[str(problem).removeprefix(f"{target.label} ").rstrip(".")] += 1
                    break
                statuses[str(reply.status)] += 1
                request_ids.append(reply.value("x-request-id"))
            opened = _opened(agent) - before
            if opened > REQUESTS // 2:
                opened = max(0, opened - await _opened_by_others(agent, time.monotonic() - started))
            asked = _Asked(request_ids, statuses, opened)
            if statuses["200"] < REQUESTS or asked.opened <= REQUESTS // 2:
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


def _entries(agent: GuestAgent, access_log: str, request_ids: list[str]) -> list[dict[str, object]]:
    """What the log says of those requests: nginx reopens it first, and so writes what it still holds."""
    words = ["/bin/bash", "-c", _LINES, "-", access_log, request_ids[-1], *request_ids]
    out = agent.exec(words, timeout=3 * _LOGGED_WITHIN).stdout.decode(errors="replace")
    entries = []
    for line in out.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("request_id") in request_ids:
            entries.append(entry)
    return entries
