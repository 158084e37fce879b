"""Which tests stay together, one after the other on one worker, and in which order the workers take them."""

from __future__ import annotations

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


def order(nodeid: str) -> int:
    """Before which others its strand begins."""
    name = strand(nodeid)
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def scheduler(config: Any, log: Any) -> Any:
    """Gives each worker of pytest-xdist a strand, and the next one when it has only two tests left."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Strands(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return strand(nodeid)

    # As they were collected, not those with the most tests first.
    config.option.loadscopereorder = False
    return Strands(config, log)
