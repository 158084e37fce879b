"""The way into a lab: its first process, and commands in its namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from lab.layout import Lab
from lab.processes import named, recorded
from nordgate.errors import NordgateError


def first_process(lab: Lab) -> int | None:
    """The PID, as the machine sees it, of the lab's first process; None when the lab is not running."""
    found = recorded(lab.pid_file)
    # Its record may have been cut off while it runs on: a second lab in the same place would harm both.
    return found or (named("lab.host", lab.name) if lab.pid_file.exists() else None)


def execute(lab: Lab, command: Sequence[str]) -> int:
    """Run `command` inside the lab's namespaces and return its exit code."""
    return subprocess.run([*enter(lab), *command], check=False).returncode


def enter(lab: Lab) -> list[str]:
    """The command words that run what follows them inside the lab."""
    pid = first_process(lab)
    if not pid:
        raise NordgateError(f'lab {lab.name} is not running: start it with "make lab-up".')
    return ["nsenter", "--target", str(pid), "--mount", "--net", "--pid", "--ipc", "--uts", "--"]
