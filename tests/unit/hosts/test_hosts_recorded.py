"""What the probe said in a guest with real layers of storage, judged: tests/e2e/test_storage_probe.py recorded it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hosts.sections import split
from hosts.storage import folder_finding, group_finding

FOLDER = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "storage.yaml").read_text())
RECORDED = FOLDER / "recorded"


def judged_as_declared(case: dict[str, Any], said: str) -> None:
    """Fails unless the verdict on what the probe said is the one that the table declares."""
    group = case.get("group", "")
    if "missing" in case:
        with pytest.raises(ValueError, match=case["missing"]):
            group_finding(group, split(said))
        return
    found = group_finding(group, split(said)) if group else folder_finding(case["path"], split(said))
    assert found.nvme == case["nvme"], found
    assert found.free is not None, found
    for layer in case.get("chain", []):
        assert layer in found.chain, found
    if case["nvme"]:
        assert all(disk.startswith("nvme") for disk in found.disks), found
    else:
        assert case["objection"] in found.objections[0], found


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_judged_by_what_it_stands_on(name: str) -> None:
    judged_as_declared(CASES[name], (RECORDED / f"{name}.txt").read_text())
