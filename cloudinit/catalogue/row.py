"""The types of a catalogue row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloudinit.platforms import version

SOURCES = ("A14", "A16", "A18", "A20a", "A20b")
"""The five articles, by their year."""


class Disposition(StrEnum):
    """What nordgate does with a setting."""

    SET = "set"  # exactly this value
    FLOOR = "floor"  # at least this; a better running value is never lowered
    ASSERT = "assert"  # must hold already; checked, never written
    SHOW = "show"  # measured and told each time; no value of it is promised
    REJECT = "reject"  # refused, with the reason
    OPTION = "option"  # off unless asked for


class Area(StrEnum):
    """The parts of the catalogue, each with the title that it has on the page."""

    KERNEL = "Kernel"
    LIMITS = "Limits"
    NGINX = "nginx"
    MACHINE = "Machine"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the catalogue.

    `item` is the name that the sources' table uses (docs/tuning-sources.md), `value` what nordgate has by default.
    `proof` names what holds an assertion: `check KEY`, read in every guest by the smoke check and `make verify`, or a
    test as pytest names it.
    """

    area: Area
    item: str
    disposition: Disposition
    value: str
    why: str
    says: str = ""
    sources: tuple[str, ...] = ()
    valid: str = ""
    proof: str = ""


@dataclass(frozen=True, kw_only=True)
class Sysctl(Row):
    """A kernel setting. `value` is in the kernel's own words; `-` in a field keeps what is there.

    `needs` names the module whose loading makes the key, or its value, exist; `since` the first kernel that knows it,
    as the manual pages tcp(7), listen(2) and proc(5) and the kernel's history have it; `removed` the first that no
    longer does; `most` the largest number that it can be, where that is less than for the others. A test holds these
    and the reasons to the kernel's documentation and to running kernels: tests/unit/cloudinit/kernel_facts.yaml.
    """

    key: str
    area: Area = Area.KERNEL
    needs: str = ""
    since: str
    removed: str = ""
    most: int | None = None

    def known_to(self, kernel: str) -> bool:
        """Whether Linux `kernel`, such as `6.12`, has it."""
        running = version(kernel)
        return version(self.since) <= running and not (self.removed and version(self.removed) <= running)


@dataclass(frozen=True, kw_only=True)
class Directive(Row):
    """An nginx directive whose arguments are a fact of the catalogue, not of a gateway's settings."""

    directive: str
    area: Area = Area.NGINX
    since: str = ""
    """The first nginx that has it, where that is later than any supported before."""
