"""Processes by number and start, which no later process with the same number is taken for."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from nordgate.errors import NordgateError

_END_BOUND = 10.0
"""Seconds that a process may take to end."""


def identity(pid: int) -> str | None:
    """What tells the process from all others on this machine, as `PID START`; None when it has ended."""
    try:
        # Fields 3 and 22 of proc_pid_stat(5); the name before them may have spaces.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else f"{pid} {fields[18]}"


def living(told: str) -> int | None:
    """The PID in a text that `identity` gave, if that process still lives."""
    pid = told.partition(" ")[0]
    return int(pid) if re.fullmatch(r"[0-9]{1,10}", pid) and identity(int(pid)) == told else None


def record(file: Path, pid: int) -> None:
    """Remember the process in `file`."""
    file.write_text(f"{identity(pid)}\n")


def recorded(file: Path) -> int | None:
    """The PID, as the machine sees it, of the process remembered in `file`; None when it has ended."""
    return living(noted(file))


def noted(file: Path) -> str:
    """What `record` left in `file`; nothing of use when that was cut off or is gone. Raises NordgateError: no file."""
    try:
        return file.read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise NordgateError(
            f"{file} cannot be read: {error.strerror}. `sudo rm -r {file}`, and run this again."
        ) from None


def named(module: str, name: str) -> int | None:
    """The PID of the first process of a PID namespace that runs `python -m MODULE NAME ...`; None without one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            status = (process / "status").read_text(errors="replace")
        except OSError:
            continue
        if words[1:4] == ["-m", module, name] and re.search(r"^NSpid:.*\t1$", status, re.MULTILINE):
            return int(process.name)
    return None


def start_child(
    wrapper: Sequence[str], folder: Path, log: Path, within: float, descriptors: Sequence[int] = ()
) -> int | None:
    """Start `wrapper`, a command that runs another in namespaces, and return the PID of that other.

    It lives on by itself, in `folder`, with these descriptors, and its words go to the end of `log`. None when it did
    not start, `within` that many seconds.
    """
    with log.open("a") as output:
        process = subprocess.Popen(
            wrapper, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, pass_fds=descriptors,
        )  # fmt: skip
    deadline = time.monotonic() + within
    while (pid := _child(process.pid)) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return pid


def end(told: str) -> None:
    """Kill the process in a text that `identity` gave, and wait until it has ended; harmless when it has."""
    deadline = time.monotonic() + _END_BOUND
    while pid := living(told):
        if time.monotonic() > deadline:
            raise NordgateError(f"waited {_END_BOUND:.0f} s for process {pid} to end.")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _child(parent: int) -> int | None:
    """The first child of a process; None when it has none, or has ended."""
    try:
        words = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(words[0]) if words else None
