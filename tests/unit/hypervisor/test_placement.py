"""Several gateways on one host: which cores, which memory, over all domains that are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.preflight.demands import GuestDemand, HostDemand, Hugepages, Placement, State
from nordgate.preflight.host_facts import HostFacts, read_facts
from nordgate.preflight.placement import placement_findings
from tests.unit.hypervisor.test_hosts_checks import DEMAND, GUEST

HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "placements.yaml").read_text())
GIB = 1 << 20
"""In KiB, as libvirt counts."""


def facts(case: dict[str, Any]) -> HostFacts:
    """As the survey reads them."""
    capabilities = (HERE / "topologies" / f"{case['machine']}.xml").read_text().partition("-->\n")[2]
    free = case.get("free") or dict.fromkeys(range(4), 16)
    pages = "\n\n".join(f"Node {node}:\n4KiB: 1000\n2048KiB: 0\n1048576KiB: {count}" for node, count in free.items())
    domains = {f"domain {name}": domain(name, **given) for name, given in case.get("domains", {}).items()}
    return read_facts({"capabilities": capabilities, "freepages": pages}, domains, None)


def domain(name: str, mark: str = "", running: bool = True, **given: Any) -> str:
    """As libvirt has it, when it is bound as given."""
    memory, place, number = "<memory unit='KiB'>1048576</memory>", "", " id='1'" if running else ""
    if pages := given.get("pages"):
        backing = f"<hugepages><page size='{GIB}' unit='KiB'/></hugepages>"
        memory = f"<memory unit='KiB'>{pages * GIB}</memory><memoryBacking>{backing}</memoryBacking>"
        place = f"<numatune><memory mode='strict' nodeset='{given['nodeset']}'/></numatune>"
    thread = {"vcpupin": "vcpu='0'", "iothreadpin": "iothread='1'", "emulatorpin": ""}
    pins = "".join(f"<{kind} {thread[kind]} cpuset='{given[kind]}'/>" for kind in thread if kind in given)
    vcpu = f"<vcpu cpuset='{given['cpuset']}'>1</vcpu>" if "cpuset" in given else "<vcpu>1</vcpu>"
    uuid = f"uuid-{mark}" if mark else f"foreign-{name}"
    return (
        f"<domain type='kvm'{number}><name>{name}</name><uuid>{uuid}</uuid>{memory}{vcpu}"
        f"<cputune>{pins}</cputune>{place}</domain>"
    )


def demand(gateways: dict[str, dict[str, Any]]) -> HostDemand:
    guests = tuple(GuestDemand(f"oslo-{name}", f"uuid-{name}", GUEST.mac, GUEST.address) for name in gateways)
    placements, pages = [], []
    for name, given in gateways.items():
        if "cpus" in given:
            cpus, emulator, iothreads = (tuple(given.get(key, ())) for key in ("cpus", "emulator", "iothreads"))
            placements.append(Placement(name, cpus, emulator, iothreads, given["node"], given.get("threads", 1)))
        if "pages" in given:
            pages.append(Hugepages(given.get("node"), GIB, given["pages"]))
    return dataclasses.replace(DEMAND, guests=guests, placements=tuple(placements), hugepages=tuple(pages))


def told(case: dict[str, Any]) -> Iterator[str]:
    for finding in placement_findings(demand(case["gateways"]), facts(case)):
        if finding.state is not State.OK:
            place = finding.subject.removeprefix("place of ")
            wanted = f", wanted: {finding.wanted}" if place.startswith("hugepages") else ""
            yield f"{place}: {finding.found}{wanted}"


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_with_a_place_is_told_and_nothing_else(name: str) -> None:
    assert list(told(CASES[name])) == CASES[name].get("said", [])


def test_every_gateway_whose_place_is_good_is_told_where_it_is() -> None:
    case = CASES["housekeeping on the other node is seen and allowed"]
    found = [finding.found for finding in placement_findings(demand(case["gateways"]), facts(case))]
    assert found == ["processors 3,5 and memory on node 1; QEMU's other threads on node 0"]
