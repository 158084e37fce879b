"""The catalogue against the sources' table and against the page made from it."""

from __future__ import annotations

import ast
import platform
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cloudinit import PLATFORMS
from cloudinit.catalogue.kernel_rows import KERNEL
from cloudinit.catalogue.nginx_rows import DIRECTIVES
from cloudinit.catalogue.row import SOURCES, Disposition, Sysctl
from cloudinit.catalogue.rows import ROWS
from cloudinit.catalogue.tuning_page import tuning_page
from cloudinit.checks import Check, checks_for
from tests.kernel_facts import FACTS, answers_wanted, questions
from tests.unit.cloudinit.samples import gateway

DOCS = Path(__file__).parents[3] / "docs"


def source_rows() -> list[str]:
    lines = (DOCS / "tuning-sources.md").read_text().splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
    return [cell for cell in cells if cell not in ("key", "item") and not cell.startswith("-")]


def test_the_sources_table_is_read_whole() -> None:
    assert len(source_rows()) == 46


@pytest.mark.parametrize("item", source_rows())
def test_every_row_of_the_sources_is_in_the_catalogue(item: str) -> None:
    assert item in {row.item for row in ROWS}


def test_every_row_of_the_catalogue_is_in_the_sources() -> None:
    assert {row.item for row in ROWS} <= set(source_rows())


def test_every_row_gives_a_reason_and_known_sources() -> None:
    assert [row for row in ROWS if not row.why or not set(row.sources) <= set(SOURCES)] == []


def test_the_page_is_what_the_catalogue_says() -> None:
    assert (DOCS / "tuning.md").read_text() == tuning_page(), "run: python -m cloudinit.catalogue > docs/tuning.md"


def test_every_assertion_names_a_check_or_a_test_that_exists() -> None:
    checks = {check.key for check in checks_for(gateway(), PLATFORMS["debian-13"])}
    for row in ROWS:
        assert bool(row.proof) is (row.disposition is Disposition.ASSERT), row.item
        if row.proof.startswith("check "):
            assert row.proof.removeprefix("check ") in checks, row.item
        elif row.proof:
            file, _, name = row.proof.partition("::")
            tests = ast.parse((DOCS.parent / file).read_text()).body
            assert name in {test.name for test in tests if isinstance(test, ast.FunctionDef)}, row.item


def test_every_kernel_row_that_is_applied_is_checked_in_the_guest() -> None:
    applied = {row.key for row in KERNEL if row.disposition not in (Disposition.REJECT, Disposition.OPTION)}
    assert applied == {check.key for check in checks_for(gateway(), PLATFORMS["debian-13"]) if check.probe == "sysctl"}


@pytest.mark.parametrize("row", [row for row in KERNEL if not row.needs], ids=lambda row: row.key)
def test_a_kernel_row_is_valid_for_the_kernels_that_have_it(row: Sysctl) -> None:
    """Asked of the kernel that runs this test; options and modules add values, not keys, so `needs` says nothing."""
    running = ".".join(re.findall(r"\d+", platform.release())[:2])
    assert Path("/proc/sys", *row.key.split(".")).exists() is row.known_to(running)


def test_every_kernel_row_stands_on_a_fact_that_the_kernels_documentation_has() -> None:
    assert FACTS.keys() == {row.key for row in KERNEL if row.disposition is not Disposition.REJECT}
    assert all(file.endswith(".rst") and words for file, words in (fact.document for fact in FACTS.values()))


@pytest.mark.parametrize("row", [row for row in KERNEL if row.key in FACTS], ids=lambda row: row.key)
def test_a_kernel_row_agrees_with_the_facts(row: Sysctl) -> None:
    fact = FACTS[row.key]
    assert row.most == fact.most
    if fact.observable:
        default = [int(word) for word in fact.default.split()]
        value = [int(word) for word in row.value.split()]
        match row.disposition:
            case Disposition.ASSERT:
                assert value == default, "what must hold already is what the kernel has by itself"
            case Disposition.SET:
                assert value != default, "what the kernel has by itself need not be set"
            case Disposition.FLOOR:
                assert value > default, "a floor below the default raises nothing"
    assert fact.most is None or int(row.value) <= fact.most


def test_the_running_kernel_has_the_defaults_and_the_bounds_of_the_facts() -> None:
    """In a network namespace of its own, where nobody has changed anything; a test in the guest asks its kernel too."""
    done = subprocess.run(
        ["unshare", "--net", "bash", "-c", questions()], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout.splitlines() == answers_wanted()


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_knows_all_that_is_not_refused(name: str) -> None:
    refused = {row.key for row in KERNEL if row.disposition is Disposition.REJECT}
    assert {row.key for row in KERNEL if not row.known_to(PLATFORMS[name].kernel)} == refused
    assert [row for row in DIRECTIVES if row.since and not PLATFORMS[name].nginx_at_least(row.since)] == []


@pytest.mark.parametrize(
    ("since", "removed", "kernel", "known"),
    [
        ("3.7", "", "3.2", False),
        ("3.7", "", "3.7", True),
        ("3.7", "", "6.12", True),
        ("2.6.25", "", "2.6.18", False),
        ("2.4", "4.12", "4.11", True),
        ("2.4", "4.12", "4.12", False),
    ],
)
def test_a_kernel_knows_a_row_from_its_first_version_until_it_was_removed(
    since: str, removed: str, kernel: str, known: bool
) -> None:
    assert replace(KERNEL[0], since=since, removed=removed).known_to(kernel) is known


def test_what_the_kernel_does_not_have_is_neither_declared_nor_checked() -> None:
    old = replace(PLATFORMS["debian-12"], kernel="3.2")
    keys = {line.key for line in gateway().kernel.declared((), old.kernel)}
    assert "net.ipv4.tcp_fastopen" not in keys
    assert "net.ipv4.tcp_fin_timeout" in keys
    assert keys == {check.key for check in checks_for(gateway(), old) if check.probe == "sysctl"}


@pytest.mark.parametrize(
    ("comparison", "expected", "actual", "holds"),
    [
        ("==", "10240 65535", "10240\t65535\n", True),
        ("==", "30", "60\n", False),
        (">=", "65535", "65535\n", True),
        (">=", "65535", "4096\n", False),
        (">=", "- - 16777216", "4096\t131072\t33554432\n", True),
        (">=", "- - 16777216", "4096\t131072\t6291456\n", False),
        (">=", "1048576", "unlimited", True),
        (">=", "1048576", "", False),
        ("has", "noatime", "rw,nosuid,noatime", True),
        ("has", "noatime", "rw,relatime", False),
    ],
)
def test_a_check_compares_field_by_field(comparison: str, expected: str, actual: str, holds: bool) -> None:
    assert Check("sysctl", "x.y", comparison, expected, "").holds(actual) is holds  # type: ignore[arg-type]
