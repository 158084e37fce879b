"""What the probe said in a guest with real layers of storage, judged: tests/e2e/test_storage_probe.py recorded it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.preflight.sections import split
from nordgate.preflight.storage import folder_finding, group_finding

FOLDER = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "storage.yaml").read_text())
RECORDED = FOLDER / "recorded"
_EMULATED = {"QEMU NVMe Ctrl": "SAMSUNG MZQL21T9HCJR-00A07", "vendor:0x1b36": "vendor:0x144d"}
"""What the guest's controllers say they are, and what a disk in a host says."""


def judged_as_declared(case: dict[str, Any], said: str) -> None:
    """Fails unless the verdict on what the probe said is the one that the table declares."""
    group = case.get("group", "")
    for virtual, real in _EMULATED.items():
        said = said.replace(virtual, real)
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


def test_an_emulated_controller_is_no_disk_of_the_host() -> None:
    found = folder_finding("/mnt/partition", split((RECORDED / "partition.txt").read_text()))
    assert found.objections == ('nvme0n1 ("QEMU NVMe Ctrl") is emulated: this host is itself a virtual machine',)
