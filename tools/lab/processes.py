"""Processes by number and start, which no later process with the same number is taken for."""

from __future__ import annotations

from pathlib import Path


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
    return int(pid) if pid.isdigit() and identity(int(pid)) == told else None


def record(file: Path, pid: int) -> None:
    """Remember the process in `file`."""
    file.write_text(f"{identity(pid)}\n")


def recorded(file: Path) -> int | None:
    """The PID, as the machine sees it, of the process remembered in `file`; None when it has ended."""
    try:
        return living(file.read_text().strip())
    except FileNotFoundError:
        return None


def child(parent: int) -> int | None:
    """The first child of a process; None when it has none, or has ended."""
    try:
        words = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(words[0]) if words else None
