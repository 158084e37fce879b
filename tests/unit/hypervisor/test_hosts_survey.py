"""One look at a host through a virsh that answers as a real one did, and the KVM probe through one that may not."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.preflight.demands import State
from nordgate.preflight.gather_facts import gather_facts
from nordgate.preflight.host_checks import check
from nordgate.preflight.kvm import boots
from tests.unit.hypervisor.conftest import Scenario
from tests.unit.hypervisor.test_hosts_checks import DEMAND

CAPABILITIES = Path(__file__).with_name("capabilities.xml").read_text()
VERSION = "Using library: libvirt 9.0.0\nRunning hypervisor: QEMU 7.2.22\nRunning against daemon: 9.1.0"
DOMAIN = """<domain type='kvm' id='3'><memory unit='KiB'>2097152</memory><memoryBacking>
<hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking><numatune><memory nodeset='1'/></numatune>
<name>db</name><uuid>d1</uuid>
<cputune><vcpupin vcpu='0' cpuset='2-3'/></cputune>
<devices><interface type='bridge'><mac address='52:54:00:AA:BB:CC'/></interface></devices></domain>"""
NETWORK = """<network><name>lan</name><uuid>n1</uuid><mac address='52:54:00:00:00:01'/>
<ip address='10.8.0.1' netmask='255.255.255.0'><dhcp><host mac='52:54:00:00:00:02' ip='10.8.0.11'/></dhcp></ip>
</network>"""
POOL = "<pool type='dir'><name>images</name><uuid>p1</uuid><target><path>/srv/nvme</path></target></pool>"
LOCAL = dataclasses.replace(DEMAND, uri="qemu:///system?socket=/nonexistent", bridge="br0", network=None)
ANSWERS = {
    "version --daemon": VERSION,
    "capabilities": CAPABILITIES,
    "freepages --all": "Node 0:\n4KiB: 2818242\n2048KiB: 12\n\n",
    "nodedev-list storage": "block_nvme0n1_S1\n",
    "list --all --uuid": "d1\n",
    "net-list --all --uuid": "n1\n",
    "pool-list --all --uuid": "p1\n",
    "pool-list --uuid": "p1\n",
    "iface-dumpxml br0": "<interface type='bridge' name='br0'/>",
    "dumpxml d1": DOMAIN,
    "net-dumpxml n1": NETWORK,
    "pool-dumpxml p1": POOL,
    "vol-list p1": " disk.qcow2   /srv/nvme/disk.qcow2\n",
}


def test_a_host_is_read_as_it_is(scenario: Scenario) -> None:
    scenario(answers=ANSWERS)
    facts = gather_facts(LOCAL)
    assert (facts.libvirt, facts.qemu, facts.offers_kvm, facts.security) == ("9.1.0", "7.2.22", True, "none")
    assert facts.aes
    assert facts.machine_types == {"q35", "pc-q35-7.1", "pc-i440fx-7.2"}
    assert facts.nodes[0].free_pages == {4: 2818242, 2048: 12}
    assert facts.nodes[0].cpus == {0, 1}
    assert facts.bridge_type == "bridge"
    assert facts.volumes == {"p1": {"disk.qcow2"}}
    domain, network, pool = facts.taken
    assert domain.name == "db"
    assert domain.macs == {"52:54:00:aa:bb:cc"}
    assert domain.pins.cpus == {2, 3}
    assert domain.hugepages == {(1, 1 << 20): 2}
    assert network.addresses == {"10.8.0.1", "10.8.0.11"}
    assert "52:54:00:00:00:02" in network.macs
    assert str(network.networks[0]) == "10.8.0.1/24"
    assert pool.path == "/srv/nvme"
    assert facts.boot, "the probe ran on this machine"


def test_a_full_pool_and_one_in_memory_are_found_by_a_real_look(scenario: Scenario) -> None:
    scenario(answers=ANSWERS)
    path = "/dev/shm/nordgate"  # noqa: S108 - memory on every Linux, and nothing is made there
    demand = dataclasses.replace(LOCAL, pool_path=path, volumes={"oslo-gw1-data.raw": 1 << 60})
    found = {
        finding.subject: finding.found for finding in check(demand, gather_facts(demand)) if finding.state is State.FAIL
    }
    assert "tmpfs is memory" in found[f"poolPath {path}"]
    assert "free" in found[f"space in {path}"]


def test_a_host_with_nothing_on_it_is_read_too(scenario: Scenario) -> None:
    scenario(answers={"version --daemon": VERSION, "capabilities": CAPABILITIES})
    facts = gather_facts(LOCAL)
    assert facts.taken == ()
    assert facts.bridge_type is None


def test_a_host_that_cannot_be_reached_is_one_sentence(scenario: Scenario) -> None:
    scenario(error="failed to connect to the hypervisor\nerror: No route to host")
    with pytest.raises(HypervisorError, match=r"cannot reach libvirt at .*: No route to host"):
        gather_facts(LOCAL)


def test_a_guest_that_speaks_proves_kvm_at_once(scenario: Scenario) -> None:
    scenario(console="SeaBIOS (version 1.16)\nNo bootable device.  Retrying in 1 seconds.", lasts=30)
    started = time.monotonic()
    finding = boots(Hypervisor("test:///fake"), "probe", "kvm", "host-passthrough")
    assert finding.state is State.OK
    assert time.monotonic() - started < 5


def test_a_guest_that_hangs_is_refused_within_the_bound(scenario: Scenario) -> None:
    scenario(console="Connected to domain\nSeaBIOS (version 1.16)", lasts=30)
    started = time.monotonic()
    finding = boots(Hypervisor("test:///fake"), "probe", "kvm", "host-passthrough", bound=1)
    assert finding.state is State.FAIL
    assert finding.found == "a guest whose firmware did not run through within 1 s"
    assert time.monotonic() - started < 8


def test_a_guest_that_does_not_start_is_refused_with_libvirts_words(scenario: Scenario) -> None:
    scenario(console="error: Failed to create domain\nerror: failed to set MSR 0x10a to 0x69")
    finding = boots(Hypervisor("test:///fake"), "probe", "kvm", "host-passthrough")
    assert finding.found == "failed to set MSR 0x10a to 0x69"
