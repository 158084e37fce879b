"""Which tests stay together, one after the other on one worker, and in which order the workers take them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GUESTS, STOCK = "guests", "stock"
_FIRST = (GUESTS, STOCK)
"""The longest: what begins last is what everybody waits for."""


def strand(nodeid: str) -> str:
    """All tests with guests are one, as are those of a stock image, which spend minutes in its emulator alone.

    All others are one for each file, whose fixtures are then made once.
    """
    file = nodeid.partition("::")[0]
    if not file.startswith("tests/e2e/"):
        return file
    return STOCK if file == "tests/e2e/test_stock_guest.py" else GUESTS


def has_guest(nodeid: str) -> bool:
    return strand(nodeid) in _FIRST


def order(nodeid: str) -> int:
    """Before which others its strand begins."""
    name = strand(nodeid)
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


@contextmanager
def turn(folder: Path, alone: bool) -> Iterator[None]:
    """One test's time in `folder`, which all workers share: beside others, or while no other worker has a test."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "door").open("w") as door, (folder / "room").open("w") as room:
        # Who waits to be alone stands in the door meanwhile: nobody else gets in before.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(room, fcntl.LOCK_UN)  # a child that the test has left has the file open, too


def scheduler(config: Any, log: Any) -> Any:
    """Gives each worker of pytest-xdist a strand, and the next one when it has only two tests left."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Strands(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return strand(nodeid)

    # As they were collected, not those with the most tests first.
    config.option.loadscopereorder = False
    return Strands(config, log)
