"""The full rendered set of each case and each stack file, kept readable: `pytest tests/render --update-golden`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloudinit import SeedDocuments
from tests.render.sites import CASES, rendered_case

GOLDEN = Path(__file__).parent / "golden"


def tree(documents: SeedDocuments) -> Mapping[str, str]:
    """What a reviewer wants to see: the documents without the files' contents, and the files."""
    head = documents.user_data.split("\nwrite_files:\n")[0] + "\n"
    tail = documents.user_data.rpartition("\nbootcmd:\n" if "\nbootcmd:\n" in documents.user_data else "\nruncmd:\n")
    files = {f"files{path}": file.content for path, file in documents.files.items()}
    modes = "".join(f"{file.mode} {file.owner} {path}\n" for path, file in documents.files.items())
    return {
        "user-data": head + "# ... write_files: see files/\n" + (tail[1] + tail[2]).lstrip("\n"),
        "meta-data": documents.meta_data,
        "network-config": documents.network_config,
        "modes": modes,
        **files,
    }


def golden_sets() -> Iterator[tuple[str, SeedDocuments]]:
    for case in CASES:
        yield f"{case}-debian-13", rendered_case(case, "debian-13")
    for case in ("everything", "stock"):
        yield f"{case}-debian-12", rendered_case(case, "debian-12")


@pytest.mark.parametrize(
    ("name", "documents"), golden_sets(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_rendered_is_what_was_reviewed(
    name: str, documents: SeedDocuments, request: pytest.FixtureRequest
) -> None:
    folder, wanted = GOLDEN / name, tree(documents)
    if request.config.getoption("--update-golden"):
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in wanted.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    kept = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert kept == wanted, "if that is intended: pytest tests/render --update-golden"
