"""Where the files of stacks and regions lie, relative to the project."""

from __future__ import annotations

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
