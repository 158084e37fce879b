"""What a stack wants of a host against what is there: every demand that is not met stops the deployment by name."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest

from nordgate.machine import Requirement
from nordgate.preflight.demands import Finding, GuestDemand, HostDemand, Hugepages, OwnObject, Placement, State
from nordgate.preflight.host_checks import check, version
from nordgate.preflight.host_facts import ExistingObject, HostFacts
from nordgate.preflight.topology import NumaNode, Pins, cpu_set
from tests.unit.hypervisor.test_hosts_storage import NVME, device, group, sections


def link(name: str, kind: str, mtu: int = 1500) -> str:
    """What `ip -details -oneline link` says of a device."""
    return (
        f"5: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc noqueue state UNKNOWN mode DEFAULT group "
        "default qlen 1000\\    link/ether 7a:31:c2:0d:aa:4f brd ff:ff:ff:ff:ff:ff promiscuity 1  allmulti 0 minmtu 68 "
        f"maxmtu 65535 \\    {kind}addrgenmode eui64 numtxqueues 1 numrxqueues 1"
    )


GUEST = GuestDemand("oslo-gw1", "uuid-gw1", "52:54:00:aa:bb:cc", IPv4Address("10.8.0.11"))
DEMAND = HostDemand(
    host="host1", uri="qemu:///system", prefix="oslo",
    pool=OwnObject("nordgate-oslo", "uuid-pool"), pool_path="/srv/nvme",
    guests=(GUEST,), volumes={"oslo-image": 1 << 30, "oslo-gw1-data.raw": 2 << 30}, cidr=IPv4Network("10.8.0.0/24"),
    network=OwnObject("nordgate-oslo", "uuid-network"),
)  # fmt: skip
PROBE = sections(device("nvme0n1", **NVME), number="nvme0n1", cpu="aes", boot="b1")
FACTS = HostFacts(
    libvirt="9.0.0", qemu="7.2.22", offers_kvm=True, aes=True, security="apparmor",
    machine_types=frozenset({"q35", "pc-q35-7.2", "pc-q35-7.1", "pc-i440fx-7.2"}),
    nodes={0: NumaNode(frozenset(range(4)), {2048: 512}), 1: NumaNode(frozenset(range(4, 8)), {2048: 0})},
    newest_machine="pc-q35-7.2", bridge_type=None, taken=(), probe=PROBE,
)  # fmt: skip


def failing(demand: HostDemand = DEMAND, facts: HostFacts = FACTS) -> list[Finding]:
    return [finding for finding in check(demand, facts) if finding.state is not State.OK]


def test_a_host_that_has_everything_is_well() -> None:
    assert failing() == []


TAP = "tun type tap pi off vnet_hdr off persist on "

NEEDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "kvm": ({}, {"offers_kvm": False}, "not offered: /dev/kvm is missing or closed to libvirt"),
    "aes": ({}, {"aes": False}, "no aes"),
    "aes untold": ({}, {"aes": None}, "cannot be told"),
    "old libvirt": ({"requirements": (Requirement("I/O threads", "mapping", "10.0", ""),)}, {}, "libvirt 9.0.0"),
    "old qemu": ({"requirements": (Requirement("I/O threads", "mapping", "9.0", "9.0"),)}, {}, "QEMU 7.2.22"),
    "newer board": ({"machine_type": "pc-q35-9.2"}, {}, "not in QEMU 7.2.22, whose newest is pc-q35-7.2"),
    "hugepages": ({"hugepages": (Hugepages(1, 2048, 8),)}, {}, "0 free"),
    "no such node": ({"hugepages": (Hugepages(7, 2048, 8),)}, {}, "no such node"),
    "no such processor": ({"placements": (Placement("gw1", (9,)),)}, {}, "the host has 0-7"),
    "bound processor": (
        {"placements": (Placement("gw1", (2,)),)},
        {"taken": (ExistingObject("domain", "db", "u", pins=Pins(frozenset({2, 3}))),)},
        "2 is shared with the domain db",
    ),
    "no bridge": ({"bridge": "br0", "network": None}, {}, "no such interface"),
    "no real bridge": ({"bridge": "eth0", "network": None}, {"bridge_type": "ethernet"}, "ethernet"),
    "a board of another distribution": (
        {"machine_type": "pc-q35-7.2"}, {"machine_types": frozenset({"q35", "pc-q35-rhel9.4.0", "pc-q35-rhel7.6.0"}),
        "newest_machine": "pc-q35-rhel9.4.0"}, "whose newest is pc-q35-rhel9.4.0"
    ),
    "a board of a release by name": (
        {"machine_type": "pc-q35-7.2"}, {"machine_types": frozenset({"q35", "pc-q35-noble", "pc-q35-jammy"}),
        "newest_machine": "pc-q35-noble"}, "whose newest is pc-q35-noble"
    ),
    "an Open vSwitch bridge as a bridge": (
        {"bridge": "ovs_br0", "network": None}, {"probe": PROBE | {"link": link("ovs_br0", "openvswitch ")}},
        "openvswitch: say `openVswitch: ovs_br0` in place of `bridge`",
    ),
    "a bridge as one of Open vSwitch": (
        {"open_vswitch": "br0", "network": None}, {"probe": PROBE | {"link": link("br0", "bridge forward_delay 1500 ")}
        | {"bridges": "/sys/class/net/br0/bridge"}}, "bridge: say `bridge: br0` in place of `openVswitch`",
    ),
    "a guest's device as a bridge of Open vSwitch": (
        {"open_vswitch": "vnet0", "network": None}, {"probe": PROBE | {"link": link("vnet0", TAP), "switch": "2"}},
        "network card",
    ),
    "a bridge in Open vSwitch's process as a bridge": (
        {"bridge": "ovs0", "network": None}, {"probe": PROBE | {"link": link("ovs0", TAP), "switch": "0"}},
        "openvswitch: say `openVswitch: ovs0` in place of `bridge`",
    ),
    "no Open vSwitch bridge": ({"open_vswitch": "ovs_br0", "network": None}, {}, "no such interface"),
    "no network card": ({"macvtap": "eno1.100", "network": None}, {}, "no such interface"),
    "packets that are too large": (
        {"bridge": "br0", "network": None, "mtu": 9000}, {"bridge_type": "bridge", "probe": PROBE | {"link": link("br0",
        "bridge forward_delay 1500 ")}}, "1500",
    ),
    "full": ({"volumes": {"oslo-gw1-data.raw": 9 << 30}}, {}, "5.0 GiB free"),
    "turning": ({}, {"probe": PROBE | sections(device("sda", tran="sas"), number="sda")}, "sda is a sas disk"),
    "no way to look": ({}, {"probe": None, "probe_problem": "tls leads to libvirt only"}, "tls leads to libvirt only"),
    "no nvme at all": ({}, {"probe": None, "disks": ("block_sda_X",)}, "the host has no NVMe disk"),
}  # fmt: skip


@pytest.mark.parametrize("case", NEEDS)
def test_a_demand_that_is_not_met_is_one_finding_with_what_was_found(case: str) -> None:
    demand, facts, said = NEEDS[case]
    found = failing(dataclasses.replace(DEMAND, **demand), dataclasses.replace(FACTS, **facts))
    assert len(found) == 1
    assert said in found[0].found
    assert found[0].state is (State.UNKNOWN if case == "aes untold" else State.FAIL)


def test_a_bridge_is_seen_where_libvirt_has_no_interface_driver() -> None:
    demand = dataclasses.replace(DEMAND, bridge="br0", network=None)
    probe = PROBE | {"bridges": "/sys/class/net/br0/bridge\n/sys/class/net/br1/bridge"}
    assert failing(demand, dataclasses.replace(FACTS, probe=probe)) == []


WAYS: list[tuple[dict[str, Any], str, int]] = [
    ({"open_vswitch": "ovs_br0"}, "openvswitch ", 1500),
    ({"open_vswitch": "ovs.br0", "mtu": 9000}, "openvswitch ", 9000),
    ({"bridge": "br_lan.5", "mtu": 1400}, "bridge forward_delay 1500 ", 1500),
    ({"macvtap": "eno1"}, "", 1500),
    ({"macvtap": "tap0"}, TAP, 1500),
    ({"macvtap": "bond0.100"}, "vlan protocol 802.1Q id 100 <REORDER_HDR> ", 1500),
]


@pytest.mark.parametrize(("demand", "kind", "mtu"), WAYS, ids=[str(way[0]) for way in WAYS])
def test_every_way_to_the_clients_is_known_as_what_it_is(demand: dict[str, Any], kind: str, mtu: int) -> None:
    name = next(iter(demand.values()))
    probe = PROBE | {"link": link(name, kind, mtu)}
    probe |= {"bridges": f"/sys/class/net/{name}/bridge"} if kind.startswith("bridge") else {}
    assert failing(dataclasses.replace(DEMAND, network=None, **demand), dataclasses.replace(FACTS, probe=probe)) == []


def test_an_open_vswitch_bridge_that_cannot_be_asked_for_is_a_doubt() -> None:
    demand = dataclasses.replace(DEMAND, open_vswitch="ovsbr0", network=None, require_nvme=False)
    found = failing(demand, dataclasses.replace(FACTS, probe=None, probe_problem="tls leads to libvirt only"))
    assert [finding.state for finding in found if finding.subject == "openVswitch ovsbr0"] == [State.UNKNOWN]


@pytest.mark.parametrize(("ended", "state"), [("0", State.OK), ("1", State.UNKNOWN), ("127", State.UNKNOWN)])
def test_a_bridge_in_open_vswitchs_own_process_is_known_where_that_can_be_asked(ended: str, state: State) -> None:
    """Its device is one of a process, whoever's."""
    demand = dataclasses.replace(DEMAND, open_vswitch="ovs0", network=None)
    facts = dataclasses.replace(FACTS, probe=PROBE | {"link": link("ovs0", TAP), "switch": ended})
    (found,) = (finding for finding in check(demand, facts) if finding.subject == "openVswitch ovs0")
    assert found.state is state
    assert state is State.OK or found.found.endswith("ask as root there, `ovs-vsctl br-exists ovs0`")


def test_space_is_asked_for_what_is_not_there_yet() -> None:
    demand = dataclasses.replace(DEMAND, volumes={"oslo-gw1-data.raw": 9 << 30})
    there = {"uuid-pool": frozenset({"oslo-gw1-data.raw"})}
    assert failing(demand, dataclasses.replace(FACTS, volumes=there)) == []


def test_a_stack_that_waives_nvme_still_asks_for_space() -> None:
    probe = PROBE | sections(device("sda", tran="sata", rota=True), number="sda")
    demand = dataclasses.replace(DEMAND, require_nvme=False)
    assert failing(demand, dataclasses.replace(FACTS, probe=probe)) == []
    full = dataclasses.replace(demand, volumes={"oslo-gw1-data.raw": 9 << 30})
    assert [finding.subject for finding in failing(full, dataclasses.replace(FACTS, probe=probe))] == [
        "space in /srv/nvme"
    ]


GROUP = dataclasses.replace(DEMAND, volume_group="fast", group_volumes={"oslo-gw1-data.raw": 8192}, volumes={})
GROUP_POOL = ExistingObject("pool", "fast", "uuid-fast", group="fast")
GROUP_FACTS = dataclasses.replace(
    FACTS, probe=PROBE | {"vgs": group("/dev/nvme0n1")}, taken=(GROUP_POOL,), volumes={"uuid-fast": frozenset()}
)


def test_data_volumes_in_a_volume_group_need_its_space_until_they_are_there() -> None:
    assert [finding.subject for finding in failing(GROUP, GROUP_FACTS)] == ["space in fast"]
    there = {"uuid-fast": frozenset({"oslo-gw1-data.raw"})}
    assert failing(GROUP, dataclasses.replace(GROUP_FACTS, volumes=there)) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"probe": PROBE}, "there is no volume group fast"),
        ({"taken": ()}, "make it once: virsh pool-define-as fast logical --source-name fast"),
        ({"volumes": {}}, "stopped: virsh pool-start fast"),
        ({"taken": (ExistingObject("pool", "fast", "uuid-fast", path="/srv/fast"),)}, "a pool of /srv/fast"),
    ],
)
def test_a_volume_group_and_its_pool_must_be_there(facts: dict[str, Any], said: str) -> None:
    demand = dataclasses.replace(GROUP, group_volumes={})
    found = failing(demand, dataclasses.replace(GROUP_FACTS, **facts))
    assert len(found) == 1
    assert said in found[0].found


def test_guests_that_ask_for_no_kvm_need_none() -> None:
    demand = dataclasses.replace(DEMAND, accelerator="qemu")
    assert failing(demand, dataclasses.replace(FACTS, offers_kvm=False, aes=False)) == []


def test_processors_bound_to_our_own_guest_are_free_for_it() -> None:
    ours = ExistingObject("domain", "oslo-gw1", "uuid-gw1", pins=Pins(frozenset({2})))
    demand = dataclasses.replace(DEMAND, placements=(Placement("gw1", (2,)),))
    assert failing(demand, dataclasses.replace(FACTS, taken=(ours,))) == []


def test_hugepages_of_our_own_guest_are_free_for_the_next_one() -> None:
    demand = dataclasses.replace(DEMAND, hugepages=(Hugepages(1, 2048, 8),))
    ours, other = (
        ExistingObject("domain", "oslo-gw1", uuid, hugepages={(1, 2048): 8}) for uuid in ("uuid-gw1", "other")
    )
    assert failing(demand, dataclasses.replace(FACTS, taken=(ours,))) == []
    assert failing(demand, dataclasses.replace(FACTS, taken=(other,)))[0].found == "0 free"


TAKEN = {
    "a domain of our name": (
        ExistingObject("domain", "oslo-gw1", "other"),
        "a domain oslo-gw1 with UUID other was not made",
    ),
    "a network of our name": (
        ExistingObject("network", "nordgate-oslo", "other"),
        "a network nordgate-oslo with UUID other",
    ),
    "a pool of our name": (ExistingObject("pool", "nordgate-oslo", "other"), "a pool nordgate-oslo with UUID other"),
    "our UUID": (ExistingObject("domain", "clone", "uuid-gw1"), "the domain clone has the UUID of oslo-gw1"),
    "our MAC": (
        ExistingObject("domain", "db", "other", macs=frozenset({"52:54:00:aa:bb:cc"})),
        "oslo-gw1's MAC address 52:54:00:aa:bb:cc is that of the domain db",
    ),
    "our address": (
        ExistingObject("network", "lan", "other", addresses=frozenset({"10.8.0.11"})),
        "oslo-gw1's address 10.8.0.11 is taken by the network lan",
    ),
    "our range": (
        ExistingObject("network", "lan", "other", networks=(IPv4Interface("10.8.0.129/25"),)),
        "network.cidr 10.8.0.0/24 overlaps the network lan, 10.8.0.128/25",
    ),
    "our folder": (
        ExistingObject("pool", "images", "other", path="/srv/nvme/"),
        "the pool images has the folder /srv/nvme",
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_another_owns_is_refused_and_named(case: str) -> None:
    taken, said = TAKEN[case]
    found = failing(facts=dataclasses.replace(FACTS, taken=(taken,)))
    assert len(found) == 1
    assert said in found[0].found


def test_what_bears_our_mark_is_ours() -> None:
    taken = (
        ExistingObject("domain", "oslo-gw1", "uuid-gw1", macs=frozenset({"52:54:00:aa:bb:cc"})),
        ExistingObject("network", "nordgate-oslo", "uuid-network", networks=(IPv4Interface("10.8.0.1/24"),)),
        ExistingObject("pool", "nordgate-oslo", "uuid-pool", path="/srv/nvme"),
    )
    assert failing(facts=dataclasses.replace(FACTS, taken=taken)) == []


def test_a_volume_of_our_name_outside_our_pool_is_not_overwritten() -> None:
    probe = PROBE | {"files": "/srv/nvme/oslo-gw1-data.raw\n/srv/nvme/oslo-test-gw1-data.raw"}
    found = failing(facts=dataclasses.replace(FACTS, probe=probe))
    assert len(found) == 1
    assert "/srv/nvme/oslo-gw1-data.raw is there without the stack's pool" in found[0].found
    ours = (ExistingObject("pool", "nordgate-oslo", "uuid-pool", path="/srv/nvme"),)
    assert failing(facts=dataclasses.replace(FACTS, probe=probe, taken=ours)) == []


def test_versions_compare_by_number() -> None:
    assert version("10.0.0") > version("9.11.2")


def test_sets_of_processors_are_read_as_libvirt_means_them() -> None:
    assert cpu_set("0-3,^2,8") == {0, 1, 3, 8}
