"""Trees of texts that were reviewed and are kept: `pytest tests/render --update-golden` writes them anew."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloudinit import PATHS

GOLDEN = Path(__file__).parent / "golden"


def compare(folder: Path, wanted: Mapping[str, str], request: pytest.FixtureRequest) -> None:
    """Fail when what is kept in `folder` is not `wanted`; with the option, make it so.

    A program that stands in a guest as it stands in the sources is not kept a second time.
    """
    wanted = {path: text for path, text in wanted.items() if f"{PATHS.library}/" not in path}
    if request.config.getoption("--update-golden"):
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in wanted.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    kept = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert kept == wanted, "if that is intended: pytest tests/render --update-golden"
