"""Files that are whole or not there."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, text: str) -> None:
    """Whoever reads the file meanwhile finds the old text or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def text_of(path: Path) -> str | None:
    """None where there is no such file, or it cannot be read."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return None
