"""How faults show: each of these finds in the facts of a failed check the lines that are the evidence of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cloudinit import PATHS
from smoke.check_facts import Facts

Evidence = Callable[[Facts], Sequence[str]]

NO_ANSWER = (
    r"refuses the connection|does not answer|no route|unreachable|timed out|fails the TLS handshake: "
    r"|closes the connection"
)
"""What the problem of a check says when nothing comes through."""


def seen(section: str, pattern: str) -> Evidence:
    """Finds the lines of a section that match."""
    return lambda facts: facts.matching(section, pattern)


def failed(pattern: str) -> Evidence:
    """Finds the lines of the check that failed and match."""
    return lambda facts: facts.failed(pattern)


def first_of(*ways: Evidence) -> Evidence:
    """The evidence of the first way that finds any."""
    return lambda facts: next((found for way in ways if (found := way(facts))), [])


def full(folder: str, column: int) -> Evidence:
    """Finds the file system of a folder when it is full; column 0 counts its space, 2 its inodes."""
    return lambda facts: list(facts.full(folder, column))


def not_running(facts: Facts) -> list[str]:
    """nginx's own words, or systemd's, when it does not run."""
    if facts.runs or "processes" not in facts.guest:
        return []
    words = facts.matching("test", r"\[emerg\]") or facts.matching("journal", r"\[(emerg|alert)\]|exit|signal|kill")
    return words or [" ".join(facts.text("service").split()) or "nginx has no process"]


def refused_files(facts: Facts) -> list[str]:
    """What nginx says of files that its next start would fail on."""
    return facts.matching("test", r"\[emerg\]") if facts.runs else []


def stopped(facts: Facts) -> list[str]:
    """nginx's processes that are stopped, or wait for a disk."""
    return facts.matching("processes", r"^\d+ \(nginx\) [TtD] ")


def full_table(facts: Facts) -> list[str]:
    """How full the connection tracking table is, from 95 % on."""
    numbers = [int(word) for word in facts.text("conntrack").split() if word.isdigit()]
    if len(numbers) == 2 and numbers[0] >= numbers[1] * 0.95:
        return [f"{numbers[0]} of {numbers[1]} entries are in use"]
    return facts.failed("connection tracking table")


def read_only(facts: Facts) -> list[str]:
    """The file systems that are mounted read-only and should not be."""
    mounts = [line.split() for line in facts.text("mounts").splitlines()]
    found = [m for m in mounts if len(m) > 3 and m[1] in ("/", PATHS.data) and "ro" in m[3].split(",")]
    return [f"{mount[1]} is mounted {mount[3]}" for mount in found]


def unserved(facts: Facts) -> list[str]:
    """Listeners whose accept queue nobody empties."""
    rows = [line.split() for line in facts.text("sockets").splitlines()]
    waiting = [row for row in rows if len(row) > 3 and row[1].isdigit() and int(row[1]) > 0]
    return [f"{row[1]} connections wait at {row[3]}" for row in waiting if re.search(r":(80|443)$", row[3])]


def closed_way(facts: Facts) -> list[str]:
    """Nothing comes through from here, and inside the guest nginx accepts connections."""
    outside = facts.failed(NO_ANSWER)
    return [*outside, *facts.text("inside").splitlines()] if outside and facts.text("inside") else []


def limited(facts: Facts) -> list[str]:
    """The requests that the gateway's own rate limit has refused."""
    return facts.failed(r"\b429\b") and (facts.entries('"status":"429"') or facts.failed(r"\b429\b"))
