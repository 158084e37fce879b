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
