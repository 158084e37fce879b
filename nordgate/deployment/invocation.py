"""How the `pulumi` that runs this program was called, as far as the engine does not say."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from nordgate.errors import NordgateError

_DEPLOYING = {"up", "update", "preview", "pre"}
_PARTLY = re.compile(r"--(target|target-replace|target-dependents|exclude|exclude-dependents)(=.*)?|-[dfry]*[tx]")


def refuse_parts(words: Sequence[str] | None = None) -> None:
    """Raise NordgateError when only a part of the stack is to be deployed. `words` is the command line of `pulumi`.

    Root, seed disk, power and domain of a guest are resources of their own and change together: with one of them held
    back, a guest would lose its disk, or be made while the last one runs.
    """
    words = _pulumi() if words is None else words
    if not _DEPLOYING & set(words):
        return
    if option := next((word for word in words if _PARTLY.fullmatch(word)), None):
        name = option.partition("=")[0]
        raise NordgateError(
            f"a stack is deployed whole, so leave out {name}: gateways that have not changed are not touched. To make "
            "one anew: NORDGATE_REBUILD=GATEWAY pulumi up; to delete one: take it out of the stack file. Nothing was "
            "changed."
        )


def _pulumi() -> list[str]:
    """The command line of the nearest `pulumi` among this process's ancestors; empty where there is none to be seen."""
    pid = os.getppid()
    while pid > 1:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        except OSError:
            return []
        if Path(words[0]).name == "pulumi":
            return words[1:]
        found = re.search(r"^PPid:\s*(\d+)", status, re.MULTILINE)
        pid = int(found[1]) if found else 0
    return []
