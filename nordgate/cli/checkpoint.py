"""The files of a test stack's local backend: read whole, or told in one sentence, with what to type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from nordgate.errors import NordgateError
from nordgate.settings.stack_files import PROJECT

STATE = Path(".nordgate/state")
_PULUMI = STATE / ".pulumi"


def place(stack: str) -> Path:
    """Where the stack's state lies."""
    return _PULUMI / "stacks" / PROJECT / f"{stack}.json"


def locks(stack: str) -> list[Path]:
    """The locks that the stack has now."""
    return sorted((_PULUMI / "locks" / "organization" / PROJECT / stack).glob("*.json"))


def latest(stack: str) -> dict[str, Any]:
    """What the state says of the stack's last deployment. Raises NordgateError when the file is not whole."""
    found = _looked_at(place(stack))
    if isinstance(found, str):
        raise NordgateError(_remedy(stack, found))
    return found


def holder(lock: Path) -> dict[str, Any] | None:
    """Who made a lock; None when the file was cut off. Raises NordgateError when it cannot be read."""
    with _told(lock):
        found = _json(lock.read_bytes())
    return found if isinstance(found, dict) else None


def clear_side_files() -> None:
    """Delete the attributes beside the backend's files that are not whole: its reader does without, and stops at these.

    A version file that a cut left empty goes too: it is written again.
    """
    for file in (*_PULUMI.rglob("*.attrs"), _PULUMI / "meta.yaml"):
        if file.is_file():
            with _told(file):
                text = file.read_bytes()
                whole = isinstance(_json(text), dict) if file.suffix == ".attrs" else text.startswith(b"version:")
                if not whole:
                    file.unlink()


def _looked_at(file: Path) -> dict[str, Any] | str:
    """The last deployment in a state file, or why there is none to be had."""
    try:
        text = file.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    found = _json(text)
    checkpoint = found.get("checkpoint") if isinstance(found, dict) else None
    deployment = checkpoint.get("latest", {}) if isinstance(checkpoint, dict) else None
    resources = (deployment or {}).get("resources") if isinstance(deployment, dict | None) else 0
    if not isinstance(checkpoint, dict) or not isinstance(resources, list | None):
        return f"is cut off or damaged ({len(text)} bytes)"
    if not all(isinstance(resource, dict) and {"urn", "type"} <= resource.keys() for resource in resources or []):
        return f"is damaged ({len(text)} bytes)"
    return deployment or {}


def _remedy(stack: str, why: str) -> str:
    file = place(stack)
    what = f"the state of {stack}, {file}, {why}"
    away = f"rm -r {file}" if file.is_dir() else ""
    if "Permission" in why:
        return f"{what}: `sudo chown -R $(id -u) {STATE}`, and run this again."
    copies = sorted(_copies(stack), key=lambda copy: copy.stat().st_mtime, reverse=True)
    for copy in copies:
        found = _looked_at(copy)
        if isinstance(found, dict):
            when = datetime.fromtimestamp(copy.stat().st_mtime).astimezone().isoformat(" ", "seconds")
            count = len(found.get("resources") or [])
            command = " && ".join(filter(None, [away, f"cp {copy} {file}"]))
            return (
                f"{what}: put back its last whole copy, of {when} with {count} resources, by `{command}`, "
                "and run this again."
            )
    return (
        f"{what}, and no whole copy of it is left: begin anew by `make lab-down STACK={stack} FORCE=1 && "
        f"rm -r {file}`, which deletes the lab's guests and their data."
    )


def _copies(stack: str) -> Iterator[Path]:
    yield from (_PULUMI / "stacks" / PROJECT).glob(f"{stack}.json.bak")
    yield from (_PULUMI / "backups" / PROJECT / stack).glob(f"{stack}.*.json")


def _json(text: bytes) -> Any:
    """What a text says; None when it is not JSON."""
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Make what the disk says against a file one sentence."""
    try:
        yield
    except OSError as error:
        raise NordgateError(f"{file} cannot be read: {error.strerror}. Mend that, or `rm -r {file}`.") from None
