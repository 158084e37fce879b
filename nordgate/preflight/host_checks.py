"""What was found on a host against what a stack wants of it: one finding per demand. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from nordgate.preflight.collisions import collisions
from nordgate.preflight.controllers import controller_findings
from nordgate.preflight.demands import Finding, HostDemand, State
from nordgate.preflight.host_facts import HostFacts
from nordgate.preflight.placement import placement_findings
from nordgate.preflight.storage import StorageFinding, folder_finding, group_finding

_WAIVER = "requireNvme: false"


def check(demand: HostDemand, facts: HostFacts) -> list[Finding]:
    """Everything that can be said without changing anything, in the order in which one would mend it."""
    return [
        Finding("connection", f"libvirt {facts.libvirt}, QEMU {facts.qemu}", "an answer", State.OK),
        *_features(demand, facts),
        _machine_type(demand, facts),
        *_processor(demand, facts),
        *placement_findings(demand, facts),
        *controller_findings(demand, facts),
        *_storage(demand, facts),
        Finding("security driver", facts.security, "named", State.OK),
        *_way_out(demand, facts),
        *collisions(demand, facts),
    ]


def _features(demand: HostDemand, facts: HostFacts) -> Iterator[Finding]:
    for need in demand.requirements:
        for program, oldest, found in (("libvirt", need.libvirt, facts.libvirt), ("QEMU", need.qemu, facts.qemu)):
            if oldest:
                state = State.OK if version(found) >= version(oldest) else State.FAIL
                yield Finding(need.feature, f"{program} {found}", f"{program} {oldest} or newer", state)


def _machine_type(demand: HostDemand, facts: HostFacts) -> Finding:
    wanted, there = demand.machine_type, facts.machine_types
    found = wanted if wanted in there else f"not in QEMU {facts.qemu}, whose newest is {facts.newest_machine}"
    return Finding("machine type", found, wanted, State.OK if wanted in there else State.FAIL)


def version(text: str) -> tuple[int, ...]:
    """`7.2.22` so that versions compare."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _processor(demand: HostDemand, facts: HostFacts) -> Iterator[Finding]:
    if demand.accelerator == "kvm":
        found = "offered by libvirt" if facts.offers_kvm else "not offered: /dev/kvm is missing or closed to libvirt"
        yield Finding("kvm", found, "offered by libvirt", State.OK if facts.offers_kvm else State.FAIL)
        if demand.require_aes:
            found = {True: "aes", False: "no aes", None: "cannot be told: libvirt does not list it"}[facts.aes]
            state = {True: State.OK, False: State.FAIL, None: State.UNKNOWN}[facts.aes]
            yield Finding("processor", found, "aes", state)


def _storage(demand: HostDemand, facts: HostFacts) -> Iterator[Finding]:
    def folder(sections: dict[str, str]) -> StorageFinding:
        return folder_finding(demand.pool_path, sections)

    def group(sections: dict[str, str]) -> StorageFinding:
        return group_finding(str(demand.volume_group), sections)

    yield from _place(demand, facts, "poolPath", demand.pool_path, folder, _missing(demand, facts))
    if demand.volume_group:
        missing = _missing(demand, facts, in_group=True)
        yield from _place(demand, facts, "volumeGroup", demand.volume_group, group, missing)
        yield _group_pool(demand.volume_group, facts)


def _group_pool(group: str, facts: HostFacts) -> Finding:
    """libvirt's pool of the group. The stack must not make it: a pool that is stopped deactivates the whole group."""
    subject, wanted = f"pool {group}", f"a running pool of the volume group {group}"
    found = next((taken for taken in facts.taken if taken.kind == "pool" and taken.name == group), None)
    if found is None:
        make = f"pool-define-as {group} logical --source-name {group} --target /dev/{group}"
        remedy = f"no such pool; make it once: virsh {make}; virsh pool-autostart {group}; virsh pool-start {group}"
        return Finding(subject, remedy, wanted, State.FAIL)
    if found.group != group:
        return Finding(subject, f"a pool of {found.path or 'something else'}", wanted, State.FAIL)
    if found.uuid not in facts.volumes:
        return Finding(subject, f"stopped: virsh pool-start {group}", wanted, State.FAIL)
    return Finding(subject, "running", wanted, State.OK)


def _missing(demand: HostDemand, facts: HostFacts, in_group: bool = False) -> int:
    """Bytes that the volumes take that are not there yet. A data volume may stand in either pool: it never moves."""
    ours = [taken.uuid for taken in facts.taken if taken.name == demand.volume_group]
    there = {name for uuid in (demand.pool.uuid, *ours) for name in facts.volumes.get(uuid, ())}
    wanted = demand.group_volumes if in_group else demand.volumes
    return sum(size for name, size in wanted.items() if name not in there)


def _place(
    demand: HostDemand,
    facts: HostFacts,
    setting: str,
    place: str,
    find: Callable[[dict[str, str]], StorageFinding],
    needed: int,
) -> Iterator[Finding]:
    wanted = "NVMe of this host" if demand.require_nvme else f"any storage ({_WAIVER})"
    if facts.probe is None:
        no_nvme = facts.disks and not any("nvme" in disk for disk in facts.disks)
        why = "the host has no NVMe disk" if no_nvme else f"cannot be told: {facts.probe_problem}"
        yield Finding(f"{setting} {place}", why, wanted, State.FAIL if demand.require_nvme else State.UNKNOWN)
        return
    try:
        found = find(dict(facts.probe))
    except ValueError as problem:
        yield Finding(f"{setting} {place}", str(problem), wanted, State.FAIL)
        return
    said = "; ".join([str(found), *found.objections])
    good = found.nvme or not demand.require_nvme
    yield Finding(f"{setting} {place}", said, wanted, State.OK if good else State.FAIL)
    if found.free is None:
        yield Finding(f"space in {place}", "cannot be told", gibibytes(needed), State.UNKNOWN)
        return
    state = State.OK if found.free >= needed else State.FAIL
    yield Finding(f"space in {place}", f"{gibibytes(found.free)} free", f"{gibibytes(needed)} for what is new", state)


def gibibytes(size: int) -> str:
    """`1610612736` as `1.5 GiB`."""
    return f"{size / (1 << 30):.1f} GiB"


def _way_out(demand: HostDemand, facts: HostFacts) -> Iterator[Finding]:
    """The device that leads to the clients: it is there, of the kind that is said, and carries the largest packet."""
    link = (facts.probe or {}).get("link", "")
    for setting, name, wanted in (
        ("bridge", demand.bridge, "bridge"),
        ("openVswitch", demand.open_vswitch, "openvswitch"),
        ("macvtap", demand.macvtap, "network card"),
    ):
        if not name:
            continue
        found, told = _kind(name, link, facts), facts.probe is not None or setting == "bridge"
        if not found:
            found = "no such interface" if told else "cannot be told: libvirt alone is asked here"
        state = State.OK if found == wanted else State.FAIL if told else State.UNKNOWN
        if setting == "openVswitch" and "\\    tun type tap " in link and _asked_switch(facts) not in ("0", "2"):
            state = State.UNKNOWN
            found = f"a tap, as a bridge in Open vSwitch's process has: ask as root there, `ovs-vsctl br-exists {name}`"
        better = {"bridge": "bridge", "openvswitch": "openVswitch"}.get(found)
        hint = f": say `{better}: {name}` in place of `{setting}`" if better and state is State.FAIL else ""
        yield Finding(f"{setting} {name}", found + hint, wanted, state)
        carries = re.search(r" mtu (\d+) ", link)
        if demand.mtu and carries:
            good = int(carries[1]) >= demand.mtu
            wanted_mtu = f"network.mtu, {demand.mtu}, or more"
            yield Finding(f"MTU of {name}", carries[1], wanted_mtu, State.OK if good else State.FAIL)


def _kind(name: str, link: str, facts: HostFacts) -> str:
    """What the device is; empty when there is none."""
    seen = f"/sys/class/net/{name}/bridge" in (facts.probe or {}).get("bridges", "").splitlines()
    if seen or facts.bridge_type == "bridge":
        return "bridge"
    # `ip` names the kind of whatever is no card; Open vSwitch has a device of its bridge's name.
    if re.search(r"\\ +openvswitch ", link) or (link and _asked_switch(facts) == "0"):
        return "openvswitch"
    return facts.bridge_type or ("network card" if link else "")


def _asked_switch(facts: HostFacts) -> str:
    """How `ovs-vsctl br-exists` ended, asked for the device: 0 for a bridge of its own, 2 for none, else not told."""
    return (facts.probe or {}).get("switch", "").strip()
