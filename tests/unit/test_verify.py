"""`make verify` finds what differs, setting by setting."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from operations.verify import compare, compare_flags
from stacks.design import GatewayDesign, design
from stacks.load import parse
from tests.unit.hardware.samples import machine

PROJECT = Path(__file__).parents[2]
LIVE = (Path(__file__).parent / "base" / "live-domain.xml").read_text()
"""What libvirt 9.0 said of the running guest of the stack below."""

STACK = "hardware-test"
OVERRIDES = {
    "diskCache": "none",
    "diskIo": "native",
    "iothreads": 2,
    "sharePages": False,
    "disabledCpuFeatures": ["avx2"],
}


@pytest.fixture
def declared() -> GatewayDesign:
    text = (PROJECT / "stacks/Pulumi.oslo-test.yaml").read_text().replace("/lab/oslo/", "/lab/hardware/")
    config = copy.deepcopy(yaml.safe_load(text)["config"])
    config["nordgate:hardware"].update(OVERRIDES)
    # The guest's documents are of their day; the fingerprint of all of them is in the name of its root volume.
    mark = re.search(r"-root-([0-9a-f]{12})\.qcow2", LIVE)
    assert mark
    return dataclasses.replace(design(parse(config, STACK), STACK, "gw1", "0" * 64), fingerprint=mark[1])


def differing(declared: GatewayDesign, live: str) -> list[str]:
    return [finding.what for finding in compare(declared, live) if not finding.agrees]


def test_a_guest_as_declared_has_no_difference(declared: GatewayDesign) -> None:
    assert differing(declared, LIVE) == []


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("<feature policy='require' name='aes'/>", "", "required cpu features"),
        ("<feature policy='disable' name='avx2'/>", "", "hidden cpu features"),
        ("<nosharepages/>", "", "unshared pages"),
        ("<nosharepages/>", "<nosharepages/><locked/>", "locked memory"),
        ("<iothreads>2</iothreads>", "<iothreads>1</iothreads>", "iothreads"),
        ("iothread='2'", "iothread='1'", "disk 2 iothreads"),
        ("cache='none'", "cache='writeback'", "disk 1 cache"),
        ("io='native'", "io='threads'", "disk 2 io"),
        ("<driver name='qemu'/>", "<driver name='vhost' queues='4'/>", "network queues"),
        ("<serial>nordgate-data</serial>", "", "data volume serial"),
        ("<vcpu placement='static'>1</vcpu>", "<vcpu placement='static'>2</vcpu>", "vcpus"),
        ("bus='sata'", "bus='scsi'", "seed bus"),
        ("<domain type='qemu'", "<domain type='kvm'", "accelerator"),
        ("gw1-data.raw", "gw2-data.raw", "data volume"),
        ("<memballoon model='none'/>", "<memballoon model='virtio'/>", "balloon"),
        ("machine='pc-q35-7.2'", "machine='pc-i440fx-7.2'", "machine"),
    ],
)
def test_each_difference_is_named(declared: GatewayDesign, before: str, after: str, what: str) -> None:
    assert before in LIVE
    assert what in differing(declared, LIVE.replace(before, after))


def test_a_changed_declaration_is_a_difference_too(declared: GatewayDesign) -> None:
    other = dataclasses.replace(declared, machine=dataclasses.replace(declared.machine, vcpus=4))
    assert {"vcpus", "cpu cores"} <= set(differing(other, LIVE))


@pytest.mark.parametrize(
    ("flags", "differing"),
    [
        ("fpu sse4_1 aes", []),
        ("fpu sse4_1", ["guest sees aes"]),
        ("fpu aes avx512f", ["guest sees avx512f"]),
    ],
)
def test_the_guests_own_view_of_its_processor_counts(flags: str, differing: list[str]) -> None:
    made = machine(disabled_cpu_features=("avx512f",), vcpus=2)
    findings = compare_flags(made, f"processor\t: 0\nflags\t\t: {flags}\n" * 2)
    assert [finding.what for finding in findings if not finding.agrees] == differing


def test_features_are_looked_up_by_the_kernels_names() -> None:
    made = machine(disabled_cpu_features=("sse4.1",), vcpus=1)
    findings = compare_flags(made, "flags : fpu sse4_1 aes\n")
    assert [finding.what for finding in findings if not finding.agrees] == ["guest sees sse4_1"]


def test_a_guest_with_a_processor_less_is_noticed() -> None:
    findings = compare_flags(machine(vcpus=2), "flags : fpu aes\n")
    assert [finding.what for finding in findings if not finding.agrees] == ["guest sees vcpus"]


def test_the_smoke_plan_is_json_and_names_the_guest(declared: GatewayDesign) -> None:
    plan = json.loads(json.dumps(declared.smoke_plan))
    assert plan["libvirt"]["domain"] == declared.domain == f"{STACK}-gw1"
