"""Where the generator runs: here, inside a lab, or on another host over SSH."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from hosts.connection import read_uri
from smoke.engine.job import Job, Tally
from smoke.load import Vantage
from smoke.problems import TargetProblem

_ROOT = Path(__file__).resolve().parent.parent

_CARRIED = ("smoke.engine", "h11", "h2", "hpack", "hyperframe")
"""What the generator is made of, all of it plain Python."""

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

    Raises TargetProblem when the vantage or what it asks cannot be reached.
    """
    command, luggage = _command(vantage)
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
    try:
        with contextlib.suppress(BrokenPipeError):  # what it said before it ended tells more
            process.stdin.write(luggage + job.as_json() + "\n")
            process.stdin.flush()
        for line in process.stdout:
            yield _told(vantage, json.loads(line))
        if process.wait(10) != 0:
            raise TargetProblem(_failure(vantage, process.stderr.read()))
    finally:
        process.kill()
        process.communicate()


def _told(vantage: Vantage, message: dict[str, Any]) -> Tally | str:
    if "problem" in message:
        place = "" if vantage.reach == "local" else f"from {vantage.name}: "
        raise TargetProblem(place + message["problem"])
    return Tally.from_json(message["tally"]) if "tally" in message else str(message["note"])


def _failure(vantage: Vantage, said: str) -> str:
    last = (said.strip().splitlines() or ["it says nothing"])[-1]
    return f"the load generator at {vantage.name} ({vantage.reach}) ended: {last.rstrip('.')}."


def _command(vantage: Vantage) -> tuple[list[str], str]:
    """The words that start the generator, and what it is given before its job."""
    engine = [sys.executable, "-m", "smoke.engine"]
    if vantage.reach == "local":
        return engine, ""
    if vantage.reach.startswith("lab:"):
        inside = [sys.executable, "-m", "tools.lab", "exec", vantage.reach.removeprefix("lab:")]
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
