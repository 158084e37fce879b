"""The guest's clock: what chrony says of it, how far it is from this machine's, and which of the two is wrong."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from nordgate.errors import AgentError, HypervisorError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.host_commands import HostCommands
from smoke.reading_script import CHRONY
from smoke.verdict import Line, Verdict

BOUND = 1.0
"""Seconds that a guest's clock may differ from this machine's: far more than NTP leaves, and less than a log bears."""

_FIRST_LOOK = 60.0
"""Seconds after its start until chrony must have heard its servers, however slow the guest is."""

_ASK_SERVERS = r"""
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
mapfile -t lines </etc/chrony/chrony.conf; servers=()
for line in "${lines[@]}"; do [[ $line != server\ * ]] || servers+=("$line"); done
# -Q: measures and sets nothing.
exec chronyd -Q -t 5 "${servers[@]}" 2>&1
"""


@dataclass(frozen=True)
class Witnesses:
    """How many seconds the guest's clock is ahead of this machine's, of its host's and of its time servers'.

    None: that clock could not be read, or the host is this machine. Of the time servers only the amount is known.
    """

    here: float
    host: float | None = None
    servers: float | None = None


def judge(found: Witnesses) -> Line:
    """Which clock is off: not the guest's where its time servers, and its host if it can be asked, agree with it."""
    shown = f"{abs(found.here):.1f} s {'ahead' if found.here > 0 else 'behind'}"
    if not _off(found.here):
        return _line(f"{abs(found.here):.1f} s off", Verdict.PASS)
    host_agrees = found.host is not None and not _off(found.host)
    if found.servers is None:
        if host_agrees:
            why = "its time servers are silent and it agrees with its host, so this machine's or that host's is off"
        else:
            why = "the guest's is off, and its time servers are silent"
        return _line(f"{shown}: {why}", Verdict.FAIL)
    if _off(found.servers):
        return _line(f"{shown}: the guest's is off, by what its time servers say", Verdict.FAIL)
    if _off(found.host) and found.host is not None and not _off(found.host - found.here):
        why = "the guest agrees with its time servers, and they with neither this machine nor the host"
        return _line(f"{shown}: {why}", Verdict.FAIL)
    said = "the guest's time servers and its host say" if host_agrees else "the guest's time servers say"
    return _line(f"{shown}: this machine's is off, by what {said}", Verdict.INCONCLUSIVE)


def synchronised(agent: GuestAgent, said: str | None = None) -> tuple[Line, bool]:
    """chrony's own word, and whether it is final: `chronyc -c tracking` ends with the leap status.

    Its fifth field is the offset. A chrony that trusts its servers has stepped the clock already, or never will; one
    that has run for long has lost them, and with a clock that is off there is nothing to wait for.
    """
    if said is None:
        said = agent.exec(["/bin/bash", "-c", CHRONY]).stdout.decode(errors="replace").strip()
    fields, age = said.partition("\n")[0].split(","), said.rpartition("\n")[2]
    heard = len(fields) > 10 and fields[-1] == "Normal"
    good = heard and abs(float(fields[4])) < BOUND
    found = (
        f"{fields[-1].lower()}, {abs(float(fields[4])) * 1000:.1f} ms off" if len(fields) > 10 else "chrony is silent"
    )
    old = age.isdigit() and int(age) > _FIRST_LOOK
    final = heard or (old and _off(ahead(agent)))
    return Line.judged("clock synchronised", found, f"normal, < {BOUND:g} s off", good), final


def against_this_machine(agent: GuestAgent) -> Line:
    """chrony calls a clock that was set by hand synchronised until it looks again: so another clock is asked too.

    Where they differ, the host and the guest's time servers say which of the two is off.
    """
    here = ahead(agent)
    if not _off(here):
        return judge(Witnesses(here))
    host = _host_ahead(agent)
    return judge(Witnesses(here, None if host is None else here - host, _off_the_servers(agent)))


def ahead(agent: GuestAgent) -> float:
    """Seconds that the guest's clock is ahead of this machine's, at least: the way there and back is not counted."""
    before = time.time()
    guest: float = agent.command("guest-get-time") / 1e9
    after = time.time()
    return guest - after if guest > after else min(0.0, guest - before)


def _host_ahead(agent: GuestAgent) -> float | None:
    """Seconds that the host's clock is ahead of this machine's; None where it is this machine, or cannot be asked."""
    host = HostCommands(agent.hypervisor.label if "://" in agent.hypervisor.label else "qemu:///system")
    if host.connection.way != "ssh":
        return None
    try:
        before = time.time()
        there = float(host.run(["date", "+%s.%N"]))
        return there - (before + time.time()) / 2
    except (HypervisorError, ValueError):
        return None


def _off_the_servers(agent: GuestAgent) -> float | None:
    """Seconds between the guest's clock and its time servers', measured now; None where they do not answer."""
    try:
        said = agent.exec(["/bin/bash", "-c", _ASK_SERVERS], timeout=30).stdout.decode(errors="replace")
    except (AgentError, HypervisorError):
        return None
    wrong = re.search(r"System clock wrong by (-?[\d.]+) seconds", said)
    return abs(float(wrong[1])) if wrong else None


def _off(seconds: float | None) -> bool:
    return seconds is not None and abs(seconds) > BOUND


def _line(found: str, verdict: Verdict) -> Line:
    return Line("clock against this machine's", found, f"≤ {BOUND:g} s", verdict)
