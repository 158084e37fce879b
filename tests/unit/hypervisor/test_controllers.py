"""A controller that a gateway is given whole must be there, free, and nothing that the host stands on."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nordgate.preflight.demands import Finding, Placement, State
from nordgate.preflight.host_checks import check
from nordgate.preflight.host_facts import read_facts
from tests.unit.hypervisor.test_hosts_checks import DEMAND, FACTS, PROBE
from tests.unit.hypervisor.test_hosts_storage import NVME, device, sections

ADDRESS = "0000:65:00.0"
THERE = f"{ADDRESS} node 1 group 12\n0000:01:00.0 node 0 group 3\n0000:02:00.0 node 0 group"
WANTED = dataclasses.replace(DEMAND, controllers={"gw1": ADDRESS})


def seen(*on_it: dict[str, Any], **facts: Any) -> dict[str, str]:
    """The pool's own disk, and a second one behind the controller."""
    second = device("nvme1n1", "disk", *on_it, **NVME, **facts)
    disks = sections(device("nvme0n1", **NVME), second, number="nvme0n1")
    told = f"/sys/block/nvme1n1/device/address:{ADDRESS}\n/sys/block/nvme0n1/device/address:0000:01:00.0"
    return PROBE | disks | {"controllers": THERE, "identities": told}


def found(demand: Any = WANTED, probe: dict[str, str] | None = None, **facts: Any) -> Finding:
    findings = check(demand, dataclasses.replace(FACTS, probe=probe or seen(), **facts))
    return next(finding for finding in findings if finding.subject.startswith("nvmeController"))


def domain(devices: str, uuid: str = "other") -> str:
    return f"<domain><name>db</name><uuid>{uuid}</uuid><devices>{devices}</devices></domain>"


SOURCE = "<source><address domain='0x0000' bus='0x65' slot='0x00' function='0x0'/></source>"
PASSED = f"<hostdev mode='subsystem' type='pci' managed='yes'>{SOURCE}</hostdev>"


def test_one_that_is_there_and_free_is_well() -> None:
    assert found() == dataclasses.replace(found(), found="free, on node 1", state=State.OK)
    assert found(probe=seen(device("nvme1n1p1", "part"))).state is State.OK, "what is on it is the guest's"


def test_one_on_another_node_than_the_memory_is_said_to_be() -> None:
    placed = dataclasses.replace(WANTED, placements=(Placement("gw1", (2,), node=0),))
    assert found(placed).found == "free, on node 1, and gw1 on node 0"


@pytest.mark.parametrize("devices", [PASSED, f"<disk type='nvme' device='disk'>{SOURCE}</disk>"])
def test_one_that_a_domain_of_another_stack_has_is_refused(devices: str) -> None:
    taken = read_facts({}, {"domain d1": domain(devices)}, None).taken
    assert found(taken=taken).found == "the domain db has it"
    ours = read_facts({}, {"domain d1": domain(devices, "uuid-gw1")}, None).taken
    assert found(taken=ours).state is State.OK


@pytest.mark.parametrize(
    ("address", "probe", "said"),
    [
        ("0000:66:00.0", seen(), "no NVMe controller there; the host has 0000:01:00.0, 0000:02:00.0, 0000:65:00.0"),
        ("0000:02:00.0", seen(), "no IOMMU stands before it: intel_iommu=on"),
        (ADDRESS, seen(mountpoint="/srv"), "the host uses it itself: nvme1n1 is mounted at /srv"),
        (
            ADDRESS,
            seen(device("nvme1n1p1", "part", mountpoint="/"), device("nvme1n1p2", "part", mountpoint="[SWAP]")),
            "nvme1n1p1 is mounted at /, nvme1n1p2 is mounted at [SWAP]",
        ),
        (ADDRESS, seen(device("md0", "raid1")), "md0 (raid1) stands on it"),
        (ADDRESS, seen(device("dm-0", "lvm", name="vg-data")), "vg-data (lvm) stands on it"),
    ],
)
def test_one_that_is_not_there_or_that_the_host_stands_on_is_refused(
    address: str, probe: dict[str, str], said: str
) -> None:
    finding = found(dataclasses.replace(WANTED, controllers={"gw1": address}), probe)
    assert finding.state is State.FAIL
    assert said in finding.found


def test_a_host_that_cannot_be_looked_at_says_nothing_of_it() -> None:
    demand = dataclasses.replace(WANTED, require_nvme=False)
    blind = dataclasses.replace(FACTS, probe=None, probe_problem="tls leads to libvirt only")
    finding = next(one for one in check(demand, blind) if one.subject.startswith("nvmeController"))
    assert finding.state is State.UNKNOWN
