"""The load of the tuning articles, by the program they use: closed loop, so shown and never judged.

A closed loop waits for each answer before it sends again. While the gateway stalls it sends nothing, and so the
stall is one slow request among many fast ones: see docs/latency.md.
"""

from __future__ import annotations

import re
import subprocess

from smoke.plan import Plan
from smoke.problems import TargetProblem, UsageProblem
from smoke.verdict import Line, Verdict

_WORDS = ("wrk", "-t12", "-c400", "-d30s", "--latency")
TITLE = " ".join(_WORDS)
_SECONDS = 30

_ROW = re.compile(r"^\s+(50|75|90|99)%\s+(\S+)\s*$", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+(\S+)$", re.MULTILINE)
_BAD = re.compile(r"^\s+(Socket errors|Non-2xx or 3xx responses): (.+)$", re.MULTILINE)


def lines(plan: Plan) -> list[Line]:
    """Run wrk against the gateway's health path. Raises UsageProblem where wrk is not installed."""
    host, port = plan.address
    where = f"[{host}]" if ":" in host else host
    command = [*_WORDS, "-H", f"Host: {plan.name}", f"https://{where}:{port}{plan.paths.health}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS + 30, check=False)
    except FileNotFoundError:
        raise UsageProblem("wrk is not on PATH: install the package wrk, or choose another profile.") from None
    except subprocess.TimeoutExpired:
        raise TargetProblem(f"wrk did not end {_SECONDS + 30} s after it began.") from None
    if done.returncode:
        raise TargetProblem(f"wrk ended with code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return parse(done.stdout)


def parse(text: str) -> list[Line]:
    """What wrk prints, as lines of the table. Raises TargetProblem when it is not wrk's."""
    rows, rate = _ROW.findall(text), _RATE.search(text)
    if not rows or rate is None:
        raise TargetProblem(f"wrk says nothing that can be read: {' '.join(text.split())[:200]}")
    note = "closed loop: shown, never judged"
    found = [Line(f"wrk p{percentile}", value, note, Verdict.SHOWN) for percentile, value in rows]
    found.append(Line("wrk answers", f"{rate[1]}/s", note, Verdict.SHOWN))
    return found + [Line(f"wrk {kind.lower()}", value, note, Verdict.SHOWN) for kind, value in _BAD.findall(text)]
