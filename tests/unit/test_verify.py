"""`make verify` finds what differs, setting by setting."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from operations.verify import compare
from stacks.design import GatewayDesign, design
from stacks.load import load_file

PROJECT = Path(__file__).parents[2]
LIVE = Path(__file__).parent / "base" / "live-domain.xml"


@pytest.fixture
def declared() -> GatewayDesign:
    return design(load_file(PROJECT, "oslo-test"), "oslo-test", "gw1", "0" * 64)


def test_a_guest_as_declared_has_no_difference(declared: GatewayDesign) -> None:
    assert [finding for finding in compare(declared, LIVE.read_text()) if not finding.agrees] == []


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("<feature policy='require' name='aes'/>", "", "cpu aes"),
        ("cache='unsafe'", "cache='writeback'", "disk 1 cache"),
        ("<serial>nordgate-data</serial>", "", "data volume serial"),
        ("<vcpu placement='static'>1</vcpu>", "<vcpu placement='static'>2</vcpu>", "vcpus"),
        ("bus='sata'", "bus='scsi'", "seed bus"),
        ("<domain type='qemu'", "<domain type='kvm'", "accelerator"),
    ],
)
def test_each_difference_is_named(declared: GatewayDesign, before: str, after: str, what: str) -> None:
    text = LIVE.read_text()
    assert before in text
    changed = [finding.what for finding in compare(declared, text.replace(before, after)) if not finding.agrees]
    assert what in changed


def test_a_changed_declaration_is_a_difference_too(declared: GatewayDesign) -> None:
    other = dataclasses.replace(declared, vcpus=4)
    assert "vcpus" in {finding.what for finding in compare(other, LIVE.read_text()) if not finding.agrees}


def test_the_smoke_plan_is_json_and_names_the_guest(declared: GatewayDesign) -> None:
    plan = json.loads(json.dumps(declared.smoke_plan))
    assert plan["libvirt"]["domain"] == declared.domain == "oslo-test-gw1"
