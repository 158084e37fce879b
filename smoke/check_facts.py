"""What was seen of a check that failed: its own lines, and what its guest said when it was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from smoke.verdict import Line

_FULL_PERCENT = 1
"""So little is left of a file system that counts as full: services get less than root."""

_RECENT = 600.0
"""Seconds: what the kernel did before may be why nginx does not run, but not why something fails now."""

_STAMP = re.compile(r"\[ *([0-9.]+)\]")


@dataclass(frozen=True)
class Facts:
    """What was seen: the lines that failed, the problem that ended the check, and the guest's answers by section.

    `unknown` says why the guest could not be asked.
    """

    failing: tuple[Line, ...] = ()
    problem: str = ""
    guest: Mapping[str, str] = field(default_factory=dict)
    unknown: str = ""
    stack: str = "..."
    gateway: str = "..."

    def text(self, section: str) -> str:
        """What the guest said in that section; nothing when it was not asked."""
        return self.guest.get(section, "").strip()

    @cached_property
    def symptoms(self) -> str:
        """Everything that failed, a line each."""
        return "\n".join([*(f"{line.what} is {line.found}" for line in self.failing), self.problem])

    @cached_property
    def errors(self) -> list[str]:
        """nginx's error log since the check began."""
        since = self.text("since")
        return [line for line in self.text("errors").splitlines() if line[:19] >= since]

    @cached_property
    def kernel(self) -> list[str]:
        """The kernel's messages of the last minutes."""
        uptime = self.text("uptime").partition(" ")[0]
        since = float(uptime) - _RECENT if uptime else 0
        return [
            line
            for line in self.text("kernel").splitlines()
            if (stamp := _STAMP.match(line)) and float(stamp[1]) >= since
        ]

    @property
    def runs(self) -> bool:
        """Whether nginx has a master process."""
        return bool(self.text("processes"))

    def full(self, folder: str, first: int) -> Iterator[str]:
        """A line for a file system of which nothing is left: of its space (0) or of its inodes (2)."""
        for line in self.text("space").splitlines():
            *numbers, name = line.split()
            whole, free = (int(number) for number in numbers[first : first + 2])
            if name == folder and whole and 100 * free < _FULL_PERCENT * whole:
                what = "inodes" if first else "blocks"
                yield f"{name}: {free} of {whole} {what} are free"

    def entries(self, pattern: str) -> list[str]:
        """Lines of the access log that match; those of the check itself, which names itself to the gateway."""
        return [line for line in self.text("access").splitlines() if "nordgate" in line and re.search(pattern, line)]

    def matching(self, section: str, pattern: str) -> list[str]:
        """The lines of a section in which the pattern is found."""
        found = {"errors": self.errors, "kernel": self.kernel}.get(section)
        lines = self.text(section).splitlines() if found is None else found
        return [line.strip() for line in lines if re.search(pattern, line)]

    def failed(self, pattern: str) -> list[str]:
        """Sentences of the lines that failed, and the problem, where they match."""
        return [line for line in self.symptoms.splitlines() if re.search(pattern, line)]
