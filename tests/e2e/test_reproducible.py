"""Two bakes from the same packages are one image, and a stack that is made again is the same stack."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stacks.design import designs
from stacks.load import load_file
from tests.e2e.project import SOURCE
from tools.image import bake


@pytest.mark.long
def test_two_bakes_of_the_same_packages_are_the_same_image(tmp_path: Path) -> None:
    one, other = (bake.ensure(refresh=True, checkout=tmp_path / name) for name in ("one", "other"))
    assert one.packages == other.packages
    assert one.tree == other.tree
    assert one.sha256 == other.sha256


@pytest.mark.parametrize("stack", ["oslo-test", "london-test"])
def test_a_stack_is_worked_out_to_the_same_bytes_every_time(stack: str) -> None:
    first, second = (designs(load_file(SOURCE, stack), stack, SOURCE) for _ in range(2))
    assert [dataclasses.asdict(one) for one in first] == [dataclasses.asdict(other) for other in second]
