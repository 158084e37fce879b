"""The load of the tuning articles, by the program they use: closed loop, so shown and never judged.

A closed loop waits for each answer before it sends again. While the gateway stalls it sends nothing, and so the
stall is one slow request among many fast ones: see docs/latency.md.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from tempfile import NamedTemporaryFile

from nordgate.errors import TargetError, UsageError
from smoke.plan import Plan
from smoke.verdict import Line, Verdict

_WORDS = ("wrk", "-t12", "-c400", "-d30s", "--latency")
TITLE = " ".join(_WORDS)
_SECONDS = 30

# wrk asks for the name of its URL, in TLS too, and has no option for where that is.
_CONNECT = 'function wrk.resolve() wrk.addrs = wrk.lookup("{host}", "{port}") end\n'

_ROW = re.compile(r"^\s+(50|75|90|99)%\s+(\S+)\s*$", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+(\S+)$", re.MULTILINE)
_BAD = re.compile(r"^\s+(Socket errors|Non-2xx or 3xx responses): (.+)$", re.MULTILINE)


def lines(plan: Plan) -> list[Line]:
    """Run wrk against the gateway's health path. Raises UsageError where wrk is not installed."""
    host, port = plan.address
    name = f"[{plan.name}]" if ":" in plan.name else plan.name
    with NamedTemporaryFile("w", prefix="nordgate-wrk-", suffix=".lua") as script:
        script.write(_CONNECT.format(host=host, port=port))
        script.flush()
        words = (*_WORDS, "-s", script.name, "-H", f"Host: {plan.name}", f"https://{name}:{port}{plan.paths.health}")
        return parse(_run(words))


def _run(command: Sequence[str]) -> str:
    """What wrk prints, which runs for _SECONDS."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS + 30, check=False)
    except FileNotFoundError:
        raise UsageError("wrk is not on PATH: install the package wrk, or choose another profile.") from None
    except subprocess.TimeoutExpired:
        raise TargetError(f"wrk did not end {_SECONDS + 30} s after it began.") from None
    if done.returncode:
        raise TargetError(f"wrk ended with code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def parse(text: str) -> list[Line]:
    """What wrk prints, as lines of the table. Raises TargetError when it is not wrk's, or no answer came."""
    rows, rate = _ROW.findall(text), _RATE.search(text)
    if not rows or rate is None:
        raise TargetError(f"wrk says nothing that can be read: {' '.join(text.split())[:200]}")
    bad = _BAD.findall(text)
    if float(rate[1]) == 0:
        errors = "".join(f"; {kind.lower()}: {value}" for kind, value in bad)
        raise TargetError(f"wrk got no answer in {_SECONDS} s{errors}.")
    note = "closed loop: shown, never judged"
    found = [Line(f"wrk p{percentile}", value, note, Verdict.SHOWN) for percentile, value in rows]
    found.append(Line("wrk answers", f"{rate[1]}/s", note, Verdict.SHOWN))
    return found + [Line(f"wrk {kind.lower()}", value, note, Verdict.SHOWN) for kind, value in bad]
