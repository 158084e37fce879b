"""What nginx has had to log about itself while a check went on: a worker that died, a limit that was met."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cloudinit import PATHS
from nordgate.errors import AgentError
from nordgate.hypervisor.agent import GuestAgent
from smoke.verdict import Line

_NAMED = 2
_TIME = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d")
_LEVEL = re.compile(r"^.{19} \[(alert|emerg|crit)\] (?:\d+#\d+: )?(?:\*\d+ )?(?P<message>.*)")
# Clients cause these by what they send; a port that is open to all has some every day.
_BY_CLIENTS = re.compile(r"SSL_(do_handshake|read|write|shutdown)\(\) failed")

# A log that was rotated meanwhile is read too. The time is the guest's, as nginx writes it.
_ERRORS = r"""
log=$1
printf '%(%Y/%m/%d %H:%M:%S)T\n' "$((EPOCHSECONDS - $2))"
for file in "$log.1" "$log"; do
    [ ! -e "$file" ] || tail -c 1M "$file"
done | grep --text -E '^.{19} \[(alert|emerg|crit)\]' || :
"""


def prove(agent: GuestAgent, seconds: float) -> Line:
    """Of the last so many seconds: every message of the levels alert, emerg and crit that no client has caused."""
    words = ["/bin/bash", "-c", _ERRORS, "-", f"{PATHS.log}/error.log", str(int(seconds) + 1)]
    done = agent.exec(words)
    since, *lines = done.stdout.decode(errors="replace").splitlines() or [""]
    if not _TIME.fullmatch(since):
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.exit_code}"
        raise AgentError(f"nginx's error log in the guest {agent.domain} could not be read: {said}.")
    found = messages(lines, since)
    more = len(found) - _NAMED
    told = "; ".join(found[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return Line.judged("nginx's alerts", told or "none", "none", not found)


def messages(lines: Sequence[str], since: str) -> list[str]:
    """Those written from that moment on, in the order of their coming, each once."""
    found = (match for line in lines if line[:19] >= since and (match := _LEVEL.match(line)))
    return list(dict.fromkeys(text for match in found if not _BY_CLIENTS.search(text := match["message"])))
