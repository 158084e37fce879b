"""What a guest is asked when its check has failed: everything that a cause can be told by, in one script."""

from __future__ import annotations

import time
from shlex import quote

from cloudinit import PATHS
from nordgate.errors import NordgateError
from nordgate.hypervisor.agent import GuestAgent
from smoke.check_facts import Facts
from smoke.plan import Plan
from smoke.reading import sections
from smoke.verdict import Line, Verdict

_BOUND = 30
"""Seconds; what was said by then is taken."""

_SCRIPT = r"""
set +e; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec 2>/dev/null
section() { printf '\036%s\n' "$1"; }
show() { mapfile -t lines <"$1" && printf '%s\n' "${lines[@]}"; }
log=$1; bodies=$2; access=$3; window=$4; shift 4
section since; printf '%(%Y/%m/%d %H:%M:%S)T\n' $((EPOCHSECONDS - window))
section uptime; show /proc/uptime
section processes
read -r master </run/nginx.pid
for pid in $master $(<"/proc/$master/task/$master/children"); do
    read -r stat <"/proc/$pid/stat" && echo "$stat"
done
section conntrack; show /proc/sys/net/netfilter/nf_conntrack_count; show /proc/sys/net/netfilter/nf_conntrack_max
section memory; show /proc/meminfo
section mounts; show /proc/mounts
section inside
for port; do
    read -r -t 3 said < <(exec 3<>"/dev/tcp/127.0.0.1/$port" && echo accepts) && echo "port $port $said"
    kill $!
done
section space; stat --file-system --format='%b %a %c %d %n' / "${log%/*}" "$bodies"
section sockets; ss -Hlnt
section kernel; dmesg | tail -n 300
section errors; tail -n 500 "$log/error.log"
section access; tail -n 300 "$access"
section folder; stat --format='%A %U:%G %n' "$log" "$log"/*
section service; systemctl show --property=ActiveState,Result,ExecMainCode,ExecMainStatus,LoadState nginx.service
section test; nginx -t -q 2>&1 && echo ok
section addresses; ip -brief address
section failed; systemctl --failed --plain --no-legend --no-pager
section journal; journalctl --no-pager --quiet --lines=15 --output=cat --unit=nginx.service
"""


def ask(plan: Plan, agent: GuestAgent, lines: list[Line], problem: str | None, began: float) -> Facts:
    """What can be known of a check that began at `began` (time.monotonic) and failed. Never raises a NordgateError."""
    failing = tuple(line for line in lines if line.verdict is Verdict.FAIL)
    access = plan.guest.access_log if plan.guest else None
    ports = [check.key for check in plan.guest.checks if check.probe == "listen-backlog"] if plan.guest else []
    window = str(int(time.monotonic() - began) + 2)
    words = (PATHS.log, PATHS.bodies, access or f"{PATHS.log}/access.json", window, *ports)
    script = f"set -- {' '.join(map(quote, words))}{_SCRIPT}"
    unknown = ""
    try:
        done = agent.exec(["/usr/bin/timeout", str(_BOUND), "/bin/bash", "-c", script], timeout=2 * _BOUND)
        found = sections(agent, done.stdout, done.stderr, done.exit_code)
    except NordgateError as silent:
        found, unknown = {}, str(silent)
    return Facts(failing, problem or "", found, unknown, plan.stack, plan.gateway)
