"""The table of docs/architecture.md against the code, both ways; and what the rest of the layout promises."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sources import PROJECT, module_name, sources

PAGE = (PROJECT / "docs/architecture.md").read_text()
TABLE = {
    place: set(re.findall(r"`([\w.]+)`", imports))
    for place, imports in re.findall(r"^\| `([\w.]+)` \|.*\| (.*) \|$", PAGE, re.M)
}
APART = {"cloudinit": "cloudinit.watcher", "smoke": "smoke.engine"}
"""Packages whose programs run elsewhere: they import nothing of ours, not even of the package around them."""
NOT_THE_PRODUCT = {"lab", "image", "toolchain"}
LONGEST_MODULE, LONGEST_FUNCTION = 250, 60
"""Lines."""


def modules() -> Iterator[tuple[str, Path]]:
    tops = {place.partition(".")[0] for place in TABLE}
    yield from ((name, path) for path in sources() if (name := module_name(path)).partition(".")[0] in tops)


def place(module: str) -> str | None:
    """The row of the table that a module belongs to."""
    found = [one for one in TABLE if module == one or module.startswith(f"{one}.")]
    return max(found, key=len, default=None)


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


MODULES = dict(modules())


@pytest.mark.parametrize("row", TABLE)
def test_each_place_imports_what_the_table_says(row: str) -> None:
    found = {
        other
        for module, path in MODULES.items()
        if place(module) == row
        for name in imported(path)
        if (other := place(name)) not in (None, row)
    }
    assert found == TABLE[row]


def test_every_module_stands_in_the_table() -> None:
    assert [module for module in MODULES if place(module) is None and module != "nordgate"] == []


def test_the_product_imports_neither_lab_nor_image_nor_toolchain() -> None:
    assert {row: TABLE[row] & NOT_THE_PRODUCT for row in TABLE if row not in NOT_THE_PRODUCT} == {
        row: set() for row in TABLE if row not in NOT_THE_PRODUCT
    }


@pytest.mark.parametrize("package", APART.values())
def test_what_runs_elsewhere_imports_nothing_of_the_rest(package: str) -> None:
    found = {
        name
        for module, path in MODULES.items()
        if module.startswith(package)
        for name in imported(path)
        if place(name) and not name.startswith(package)
    }
    assert found == set()


def test_components_alone_know_the_providers() -> None:
    knowing = {
        place(module)
        for module, path in MODULES.items()
        if any(name.startswith(("pulumi_libvirt", "pulumi_command")) for name in imported(path))
    }
    assert knowing == {"components"}


def test_no_two_modules_of_the_product_share_a_name() -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for module, path in MODULES.items():
        if place(module) not in NOT_THE_PRODUCT and path.stem not in ("__init__", "__main__"):
            named[path.stem].append(module)
    assert {name: found for name, found in named.items() if len(found) > 1} == {}


def test_modules_and_functions_are_read_at_one_sitting() -> None:
    long = {
        module: lines for module, path in MODULES.items() if (lines := path.read_text().count("\n")) > LONGEST_MODULE
    }
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                long |= {f"{module}.{node.name}": lines} if lines > LONGEST_FUNCTION else {}
    assert long == {}
