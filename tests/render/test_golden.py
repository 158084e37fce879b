"""The full rendered set of each case and each stack file, kept readable: `pytest tests/render --update-golden`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudinit import SeedDocuments
from nordgate.cli.review.rendered import documents as tree
from tests.render.kept import GOLDEN, compare
from tests.render.sites import CASES, rendered_case


def golden_sets() -> Iterator[tuple[str, SeedDocuments]]:
    for case in CASES:
        yield f"{case}-debian-13", rendered_case(case, "debian-13")
    for case in ("everything", "stock"):
        yield f"{case}-debian-12", rendered_case(case, "debian-12")


@pytest.mark.parametrize(
    ("name", "documents"), list(golden_sets()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_rendered_is_what_was_reviewed(
    name: str, documents: SeedDocuments, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, tree(documents), request)
