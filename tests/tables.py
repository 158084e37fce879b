"""Tables of cases of which a few are enough for the inner loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first(number: int, cases: Iterable[Any]) -> list[Any]:
    """The cases, those after the first `number` marked as slow."""
    return [case if place < number else slow(case) for place, case in enumerate(cases)]


def slow(*values: Any) -> Any:
    """One case that is slow, or one of many of its kind in a slow test."""
    return pytest.param(*values, marks=pytest.mark.slow)
