"""Locks on files: waited for on the screen, and not for ever.

Standard library only: it runs before the virtual environment exists.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from typing import IO, Any

from nordgate.console import duration, phase
from nordgate.errors import NordgateError

BOUND = 2 * 3600.0
"""Seconds: what is done under any of these locks has bounds that end it sooner."""
_PAUSE = 0.1


def hold(file: IO[Any], holder: str, within: float = BOUND) -> None:
    """Lock the open file until it is closed. Raises NordgateError when `holder`, who has it now, keeps it too long."""
    if _locked(file):
        return
    deadline = time.monotonic() + within
    with phase(f"Wait for {holder}"):
        while not _locked(file):
            if time.monotonic() > deadline:
                raise NordgateError(
                    f"waited {duration(within)} for {holder}, which holds {file.name}: see what it does "
                    f"(`fuser {file.name}` names it), end it, and run this again."
                )
            time.sleep(_PAUSE)


def _locked(file: IO[Any]) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
