"""Where the files of stacks and regions lie, relative to the project. `python3 -m stacks.files` lists production.

Standard library only: workflows ask it where nothing has been installed.
"""

from __future__ import annotations

import json
from pathlib import Path

PROJECT = "nordgate"
FOLDER = Path("stacks")


def stack_file(stack: str) -> Path:
    """Where Pulumi keeps the stack's configuration."""
    return FOLDER / f"Pulumi.{stack}.yaml"


def region_file(region: str) -> Path:
    """What the stacks of the region share."""
    return FOLDER / "regions" / f"{region}.yaml"


def stack_names(project: Path) -> list[str]:
    """Every stack that the project has a file for."""
    return sorted(path.name.split(".")[1] for path in (project / FOLDER).glob("Pulumi.*.yaml"))


def region_names(project: Path) -> list[str]:
    """Every region that the project has a file for."""
    return sorted(path.stem for path in (project / FOLDER / "regions").glob("*.yaml"))


def is_test(stack: str) -> bool:
    """Whether the stack is a throw-away one: its name says so, to the Makefile too."""
    return stack.endswith("-test")


if __name__ == "__main__":
    print(json.dumps([stack for stack in stack_names(Path.cwd()) if not is_test(stack)]))
