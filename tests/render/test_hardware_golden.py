"""The stylesheet and the domain of each sample machine, kept readable: `pytest tests/render --update-golden`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nordgate.machine import domain_stylesheet
from tests.unit.machine.samples import SAMPLES, domain_xml

GOLDEN = Path(__file__).parent / "golden" / "hardware"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_domain_is_what_was_reviewed(name: str, request: pytest.FixtureRequest) -> None:
    wanted = {f"{name}.xslt": domain_stylesheet(SAMPLES[name]), f"{name}.xml": domain_xml(SAMPLES[name])}
    if request.config.getoption("--update-golden"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for file, text in wanted.items():
            (GOLDEN / file).write_text(text)
    assert {file: (GOLDEN / file).read_text() for file in wanted} == wanted, (
        "if that is intended: pytest tests/render --update-golden"
    )
