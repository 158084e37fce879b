"""The types of a catalogue row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SOURCES = ("A14", "A16", "A18", "A20a", "A20b")
"""The five articles, by their year."""


class Disposition(StrEnum):
    """What nordgate does with a setting."""

    SET = "set"  # exactly this value
    FLOOR = "floor"  # at least this; a better running value is never lowered
    ASSERT = "assert"  # must hold already; checked, never written
    REJECT = "reject"  # refused, with the reason
    OPTION = "option"  # off unless asked for


class Area(StrEnum):
    KERNEL = "Kernel"
    LIMITS = "Limits"
    NGINX = "nginx"
    MACHINE = "Machine"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the catalogue.

    `item` is the name that the sources' table uses (docs/tuning-sources.md), `value` what nordgate has by default.
    """

    area: Area
    item: str
    disposition: Disposition
    value: str
    why: str
    says: str = ""
    sources: tuple[str, ...] = ()
    valid: str = ""


@dataclass(frozen=True, kw_only=True)
class Sysctl(Row):
    """A kernel setting. `value` is in the kernel's own words; `-` in a field keeps what is there.

    `needs` names the module whose loading makes the key exist; `removed` the kernel that dropped the key.
    """

    key: str
    area: Area = Area.KERNEL
    needs: str = ""
    since: str = ""
    removed: str = ""


@dataclass(frozen=True, kw_only=True)
class Directive(Row):
    """An nginx directive whose arguments are a fact of the catalogue, not of a gateway's settings."""

    directive: str
    area: Area = Area.NGINX
