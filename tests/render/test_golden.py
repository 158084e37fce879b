"""The full rendered set of each case and each stack file, kept readable: `pytest tests/render --update-golden`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloudinit import SeedDocuments
from stacks.design import design
from stacks.load import load_file, stack_names
from tests.render.sites import CASES, rendered_case

GOLDEN = Path(__file__).parent / "golden"
PROJECT = Path(__file__).parents[2]
# Rendering needs no image: nothing of its checksum is in a seed.
IMAGE = "0" * 64


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
    yield "everything-debian-12", rendered_case("everything", "debian-12")
    for stack in stack_names(PROJECT):
        settings = load_file(PROJECT, stack)
        for gateway in settings.gateways:
            yield f"stack-{stack}-{gateway}", design(settings, stack, gateway, IMAGE).seed


SETS = dict(golden_sets())


@pytest.mark.parametrize(("name", "documents"), SETS.items(), ids=lambda value: value if isinstance(value, str) else "")
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


def test_nothing_is_kept_of_what_is_gone(request: pytest.FixtureRequest) -> None:
    gone = {path for path in GOLDEN.iterdir() if path.name not in SETS}
    if request.config.getoption("--update-golden"):
        for path in gone:
            shutil.rmtree(path)
        gone = set()
    assert gone == set(), "if that is intended: pytest tests/render --update-golden"
