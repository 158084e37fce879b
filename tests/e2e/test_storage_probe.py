"""The storage probe in a guest with NVMe controllers, under partitions, LVM, md, dm-crypt and btrfs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import control
from lab.layout import Lab
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.hypervisor.volumes import EXTEND
from nordgate.preflight.gather_facts import PROBE
from tests.e2e.storage_guest import SOURCE, started
from tests.unit.hypervisor.test_hosts_recorded import CASES, RECORDED, judged_as_declared

# Its answers are data of the unit tests, so that the guest need not be booted every time.
pytestmark = pytest.mark.long

LAB = Lab("storage-probe")


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestAgent]:
    """The guest with its layers laid out, in a lab of its own."""
    control.up(LAB, [], [], str(SOURCE / ".nordgate/packages/usr/sbin/chronyd"))
    try:
        agent = started(Hypervisor(LAB.uri), tmp_path_factory.mktemp("disks"))
        ended = agent.exec(["sh", "-s"], Path(__file__).with_name("storage_layout.sh").read_bytes(), timeout=180)
        assert ended.exit_code == 0, ended.stderr.decode()
        yield agent
    finally:
        control.down(LAB)


@pytest.mark.parametrize("name", CASES)
def test_the_probe_finds_what_a_place_stands_on(name: str, guest: GuestAgent, request: pytest.FixtureRequest) -> None:
    case: dict[str, Any] = CASES[name]
    words = ["sh", "-s", "--", case["path"], case.get("group", "-"), "oslo"]
    ended = guest.exec(words, PROBE.read_bytes())
    assert ended.exit_code == 0
    said = ended.stdout.decode()
    if request.config.getoption("--update-golden"):
        RECORDED.mkdir(exist_ok=True)
        (RECORDED / f"{name}.txt").write_text(said)
    judged_as_declared(case, said)


def test_a_volume_in_a_group_comes_grows_and_goes_and_the_hosts_own_volumes_stay(guest: GuestAgent) -> None:
    """What components/hypervisor.py relies on: the volume is ours, pool and group are the host's."""
    script = Path(__file__).with_name("group_pool.sh").read_bytes()
    ended = guest.exec(["sh", "-s", "--", EXTEND], script, timeout=180)
    assert ended.exit_code == 0, (ended.stdout + ended.stderr).decode()
    said = ended.stdout.decode()
    assert "/dev/fast/oslo-gw1-data.raw" in said
    assert "libvirt does not" in said
    assert "grown: <capacity unit='bytes'>37748736<" in said
    assert "left: pool active" in said
    assert "cannot be stopped" in said
