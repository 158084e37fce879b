"""What every stack of the project puts on its machines, kept readable, and made as the provider would make it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lxml import etree

from nordgate.cli.review.domain_xml import provider_xml
from nordgate.cli.review.rendered import rendered
from nordgate.design.gateway_design import design
from nordgate.settings.loader import load_file
from nordgate.settings.stack_files import stack_names
from tests.render.kept import GOLDEN, compare

PROJECT = Path(__file__).parents[2]
STACKS = stack_names(PROJECT)


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_stack_puts_on_its_machines_is_what_was_reviewed(stack: str, request: pytest.FixtureRequest) -> None:
    compare(GOLDEN / "stacks" / stack, rendered(load_file(PROJECT, stack), stack), request)


def test_no_tree_is_kept_of_a_stack_that_is_gone() -> None:
    assert sorted(path.name for path in (GOLDEN / "stacks").iterdir()) == STACKS


@pytest.mark.parametrize("stack", STACKS)
def test_the_domain_is_what_the_providers_xsltproc_makes_of_it(stack: str, tmp_path: Path) -> None:
    settings = load_file(PROJECT, stack)
    made = design(settings, stack, "gw1", "0" * 64)
    sheet, document = tmp_path / "sheet.xslt", tmp_path / "document.xml"
    sheet.write_text(made.stylesheet)
    document.write_bytes(etree.tostring(provider_xml(settings, made, "FINGERPRINT")))
    done = subprocess.run(["xsltproc", "--nonet", "--nowrite", sheet, document], capture_output=True, check=True)
    shown = rendered(settings, stack)["gateways/gw1/domain.xml"]
    assert _canonical(done.stdout) == _canonical(shown.encode())


def _canonical(text: bytes) -> bytes:
    return etree.tostring(etree.fromstring(text, etree.XMLParser(remove_blank_text=True)), method="c14n")
