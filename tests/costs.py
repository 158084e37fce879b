"""What something costs in processor time, whatever else the machine does meanwhile."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import TypeVar

_ROUNDS = 3
_Result = TypeVar("_Result")


def within(seconds: float, run: Callable[[], _Result]) -> _Result:
    """What `run` returns; one of a few rounds must cost less than so many seconds, children that ended included.

    Who works besides empties the caches: that adds a half, and takes nothing away.
    """
    costs = []
    for _ in range(_ROUNDS):
        before = _used()
        result = run()
        costs.append(_used() - before)
        if costs[-1] < seconds:
            return result
    raise AssertionError(f"of {_ROUNDS} rounds none took less than {seconds} s of processor time: {costs}")


def _used() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
