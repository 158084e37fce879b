"""Where the generator runs: here, inside a lab, or on another host over SSH."""

from __future__ import annotations

import base64
import io
import json
import shlex
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from nordgate.errors import TargetError
from nordgate.hypervisor.connection import read_uri
from nordgate.hypervisor.host_commands import SSH_FAILED, ssh_sentence
from smoke.conversation import Conversation, Silent
from smoke.engine.connection_errors import CONNECT_TIMEOUT
from smoke.engine.job import Job, Tally
from smoke.load import Vantage

_ROOT = Path(__file__).resolve().parent.parent

_CARRIED = ("smoke.engine", "h11", "h2", "hpack", "hyperframe")
"""What the generator is made of, all of it plain Python."""

_START_SECONDS = 30.0
"""Until the generator runs there: logging in, a few hundred KB over a slow line, Python."""
_SLOWEST_OPENING = 20
"""Connections that are opened in a second, at least."""
_LAST_SECONDS = 10.0
"""Until a generator that has told everything is gone."""

_UNPACK = """
import os, runpy, sys, tempfile
if sys.version_info < (3, 11):
    print('{"problem": "python3 there is older than 3.11."}')
    sys.exit(1)
import base64
with tempfile.TemporaryDirectory(prefix="nordgate-") as folder:
    path = os.path.join(folder, "engine.zip")
    with open(path, "wb") as file:
        file.write(base64.b64decode(sys.stdin.readline()))
    sys.path.insert(0, path)
    import smoke.engine.__main__ as engine
    import h11, h2.connection
code = engine.main()
sys.exit(code)
"""
"""What the other host is told: nothing is left there, not even when it is stopped."""


def measure(vantage: Vantage, job: Job) -> Iterator[Tally | str]:
    """The tallies of a job carried out there, as they come, and what it has to say besides.

    Raises TargetError when the vantage or what it asks cannot be reached, or says nothing for longer than the job
    can take to the next tally.
    """
    command, preamble = _command(vantage)
    patience = _patience(job)
    with Conversation(command, preamble + job.as_json() + "\n") as generator:
        try:
            for line in generator.lines(patience):
                yield _told(vantage, line)
            code, said = generator.end(_LAST_SECONDS)
        except Silent:
            raise TargetError(
                f"the load generator at {vantage.name} ({vantage.reach}) told nothing for {patience:.0f} s, in which a "
                "round ends whatever the gateway does: see whether the machine is overloaded or the process stopped."
            ) from None
    if code != 0:
        raise TargetError(_failure(vantage, code, said))


def _patience(job: Job) -> float:
    """Seconds to the next thing that a generator tells, at most: twice what a round and its time-outs are meant to
    take, and before the first one it starts, opens the connections and warms up.
    """
    endpoints = len(job.endpoints)
    opening = CONNECT_TIMEOUT + job.connections / _SLOWEST_OPENING
    run = job.warm_up_seconds + job.round_seconds + 2 * job.timeout_seconds
    return _START_SECONDS + endpoints * (opening + 2 * run)


def _told(vantage: Vantage, line: str) -> Tally | str:
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError:
        said = "a shell's start-up file there must print nothing" if vantage.reach.startswith("ssh:") else "no tally"
        raise TargetError(
            f"the load generator at {vantage.name} ({vantage.reach}) begins with {line[:80]!r}: {said}."
        ) from None
    if "problem" in message:
        place = "" if vantage.reach == "local" else f"from {vantage.name}: "
        raise TargetError(place + message["problem"])
    return Tally.from_json(message["tally"]) if "tally" in message else str(message["note"])


def _failure(vantage: Vantage, code: int, said: str) -> str:
    if vantage.reach.startswith("ssh:") and code == SSH_FAILED:
        reason = ssh_sentence(read_uri(f"qemu+{vantage.reach}"), said)
    else:
        reason = (said.strip().splitlines() or ["it says nothing"])[-1]
    return f"the load generator at {vantage.name} ({vantage.reach}) ended: {reason.rstrip('.')}."


def _command(vantage: Vantage) -> tuple[list[str], str]:
    """The words that start the generator, and what it is given before its job."""
    engine = [sys.executable, "-m", "smoke.engine"]
    if vantage.reach == "local":
        return engine, ""
    if vantage.reach.startswith("lab:"):
        inside = [sys.executable, "-m", "lab", "exec", vantage.reach.removeprefix("lab:")]
        return [*inside, "env", f"PYTHONPATH={_ROOT}", *engine], ""  # whoever enters a lab stands in its root folder
    host = read_uri(f"qemu+{vantage.reach}")
    words = ["ssh", *host.ssh_options, "--", host.login]
    return [*words, f"exec python3 -c {shlex.quote(_UNPACK)}"], base64.b64encode(archive()).decode() + "\n"


def archive() -> bytes:
    """The generator and its libraries as a ZIP file that Python imports from."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archived:
        archived.writestr("smoke/__init__.py", "")
        for name in _CARRIED:
            root = Path(import_module(name).__path__[0])
            for file in sorted(root.rglob("*.py")):
                archived.write(file, "/".join((*name.split("."), *file.relative_to(root).parts)))
    return content.getvalue()
