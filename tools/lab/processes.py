"""Processes that outlive the command that started them, known by a file."""

from __future__ import annotations

from pathlib import Path


def record(file: Path, pid: int) -> None:
    """Remember the process in `file`."""
    file.write_text(f"{pid} {_start_time(pid)}\n")


def recorded(file: Path) -> int | None:
    """The PID, as the machine sees it, of the process remembered in `file`; None when it is gone."""
    try:
        pid, started = file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if _start_time(int(pid)) == started else None


def child(parent: int) -> int | None:
    """The first child of a process; None when it has none, or is gone."""
    try:
        words = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(words[0]) if words else None


def _start_time(pid: int) -> str | None:
    # Field 22 of /proc/PID/stat tells a process from a later one that got the same PID.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None
