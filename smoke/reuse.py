"""Whether the gateway uses its connections to the upstreams again: by its own timing fields and the kernel's count."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from hosts.agent import GuestAgent
from smoke.http1 import Target, connect, exchange
from smoke.verdict import Line, Verdict

REQUESTS = 20
"""In a row: several times as many as a gateway has upstream servers behind one path, as a rule."""

_LAST_LINES = """
read -r master </run/nginx.pid && kill -USR1 "$master"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    last=$(tail -n 400 "$1")
    case $last in *"$2"*) break ;; esac
    sleep 0.2
done
printf '%s\n' "$last"
"""


@dataclass(frozen=True)
class _Asked:
    request_ids: list[str]
    good: int


def prove(agent: GuestAgent, access_log: str, target: Target, path: str) -> Line:
    """Requests in a row on one connection; a new upstream connection for each of them is the failure.

    The kernel's count of opened connections decides: a connect time of 0.000 s also stands for an upstream so near
    that a new connection takes less than half a millisecond.
    """
    before = _opened(agent)
    asked = asyncio.run(_ask(target, path))
    opened = _opened(agent) - before
    times = _connect_times(agent, access_log, asked.request_ids)
    at_once = sum(time == 0 for time in times)
    found = f"{opened} opened for {asked.good} requests; {at_once} of {len(times)} logged with no connect time"
    good = asked.good == REQUESTS and opened <= REQUESTS // 2 and at_once * 2 >= len(times) > 0
    what = "upstream connections used again"
    return Line(what, found, f"≤ {REQUESTS // 2} opened", Verdict.PASS if good else Verdict.FAIL)


async def _ask(target: Target, path: str) -> _Asked:
    connection = await connect(target)
    request_ids, good = [], 0
    try:
        for _ in range(REQUESTS):
            reply = await exchange(connection, target, path)
            good += reply.status == 200
            request_ids.append(reply.headers.get("x-request-id", ""))
    finally:
        connection.on_lost = None
        connection.close()
    return _Asked(request_ids, good)


def _opened(agent: GuestAgent) -> int:
    """TCP connections that the guest has opened since it started."""
    rows = [line.split() for line in agent.read_file("/proc/net/snmp").decode().splitlines() if line.startswith("Tcp:")]
    names, values = rows[0], rows[1]
    return int(values[names.index("ActiveOpens")])


def _connect_times(agent: GuestAgent, access_log: str, request_ids: list[str]) -> list[float]:
    """Of those requests, in seconds: nginx reopens its log first, and so writes what it still holds."""
    last = request_ids[-1] if request_ids else ""
    out = agent.exec(["/bin/bash", "-c", _LAST_LINES, "-", access_log, last]).stdout.decode(errors="replace")
    times = []
    for line in out.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("request_id") in request_ids and entry.get("upstream_connect", "-").replace(".", "").isdigit():
            times.append(float(entry["upstream_connect"]))
    return times
