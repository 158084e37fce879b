"""One fault that a gateway is known to have: how it shows, what it is called, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from smoke import traces

REBUILD = "make the gateway anew as it is declared: `make rebuild STACK={stack} GATEWAY={gateway}` (docs/operations.md)"
LOGIN = "log in (`make ssh STACK={stack} GATEWAY={gateway}`)"
TLS = r"TLS|certificate"


@dataclass(frozen=True)
class Fault:
    """One row: `evidence` finds the lines that show it, none of them when it is another one.

    `cause` may use {count}, of the lines, and {last}, the newest; `remedy` {stack} and {gateway}. `explains` matches
    what fails by it (the lines and the problem of the check): a fault that explains what failed comes before one that
    does not.
    """

    cause: str
    remedy: str
    evidence: traces.Evidence
    explains: str = ""
