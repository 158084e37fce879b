"""Stack files to try things on: those of Oslo and London, whatever other regions a project has."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3]


def copy_known(project: Path) -> None:
    """Put them, and no others, into the folder `stacks` of `project`."""
    for path in [path for path in (project / "stacks").rglob("*.yaml") if not _is_known(path)]:
        path.unlink()
    for path in filter(_is_known, (PROJECT / "stacks").rglob("*.yaml")):
        target = project / path.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def named(case: Any) -> str:
    """A test's name for a case that has one."""
    return str(case.name).replace(" ", "-")


def _is_known(path: Path) -> bool:
    return re.fullmatch(r"(Pulumi\.)?(oslo|london)(-test)?\.yaml", path.name) is not None
