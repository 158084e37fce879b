"""Sizes and durations as people write them: `4GiB`, `30s`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_SIZES = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DURATIONS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def parse_size(value: object) -> object:
    """`4GiB` in bytes. Raises ValueError for a size without its unit; a number of bytes passes."""
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,12}) *([A-Za-z]+)", value)
        if not match or match[2] not in _SIZES:
            raise ValueError(f"must be a whole number with a unit ({', '.join(_SIZES)}), such as 4GiB")
        return int(match[1]) * _SIZES[match[2]]
    raise ValueError("must have a unit, such as 4GiB")


def parse_duration(value: object) -> object:
    """`30s` in seconds. Raises ValueError for a duration without its unit."""
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,12})?) *([a-z]+)", value)
        if not match or match[2] not in _DURATIONS:
            raise ValueError(f"must be a number with a unit ({', '.join(_DURATIONS)}), such as 30s")
        return float(match[1]) * _DURATIONS[match[2]]
    raise ValueError("must have a unit, such as 30s")


def shown(seconds: float) -> str:
    """A duration as people write it: `0.25` as `250ms`, `240` as `4min`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    return f"{seconds / 60:g}min" if seconds % 60 == 0 else f"{seconds:g}s"


def at_most(most: str) -> AfterValidator:
    """What no host has is a slip of the unit."""
    bound = int(str(parse_size(most)))

    def check(value: int) -> int:
        if value > bound:
            raise ValueError(f"is more than hosts have: {most} at most")
        return value

    return AfterValidator(check)


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": rf"^[0-9]{{1,12}} *({'|'.join(_SIZES)})$"}),
]
"""In bytes."""

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": rf"^[0-9]{{1,12}}(\.[0-9]{{1,12}})? *({'|'.join(_DURATIONS)})$"}),
]
"""In seconds."""
