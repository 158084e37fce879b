"""The project's own Python files, for tests that read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def module_name(path: Path) -> str:
    """The dotted name of one of them, as it is imported."""
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def sources() -> Iterator[Path]:
    """All but the tests."""
    yield from sorted(PROJECT.glob("*.py"))
    for folder in sorted(path for path in PROJECT.iterdir() if path.is_dir() and path.name != "tests"):
        if not folder.name.startswith("."):
            yield from sorted(folder.rglob("*.py"))
