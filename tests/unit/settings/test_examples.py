"""The examples of settings in the docs are right, as they stand and for the project's own regions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudinit.gateway_settings import LogSettings
from nordgate.settings.loader import load_file
from tests.unit.settings.known import PROJECT, copy_known

_FENCE = re.compile(r"^```yaml\n(nginx:\n.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(example, id=f"{page.stem}-{number}")
    for page in (PROJECT / "docs/requests.md", PROJECT / "docs/upstreams.md")
    for number, example in enumerate(_FENCE.findall(page.read_text()))
]


def test_there_are_examples_of_what_users_set() -> None:
    said = "".join(str(example.values[0]) for example in EXAMPLES)
    assert "rateLimit:" in said
    assert "log:" in said


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_docs_is_right(example: str, tmp_path: Path) -> None:
    copy_known(tmp_path)
    region = tmp_path / "stacks/regions/oslo.yaml"
    document: dict[str, Any] = yaml.safe_load(region.read_text())
    document["nginx"] |= yaml.safe_load(example)["nginx"]
    region.write_text(yaml.safe_dump(document))
    for stack in ("oslo", "oslo-test"):
        assert load_file(tmp_path, stack)


def test_the_example_of_log_settings_says_the_defaults() -> None:
    (example,) = (yaml.safe_load(str(example.values[0])) for example in EXAMPLES if "  log:" in str(example.values[0]))
    assert LogSettings.model_validate(example["nginx"]["log"]) == LogSettings()
