"""Processors and memory of a host, and what of them a domain is bound to: as libvirt's XML has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

_KIB = {"KiB": 1, "k": 1, "MiB": 1 << 10, "M": 1 << 10, "GiB": 1 << 20, "G": 1 << 20}


@dataclass(frozen=True)
class NumaNode:
    """A NUMA node: its processors that are online, and its free pages by size in KiB."""

    cpus: frozenset[int]
    free_pages: Mapping[int, int]
    cores: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """By processor: all hyper-threads of its core, itself among them. Where there is no entry, it is alone."""


@dataclass(frozen=True)
class Pins:
    """Host processors of a domain's threads; empty where they may run on any."""

    cpus: frozenset[int] = frozenset()
    """Of its virtual processors."""
    others: frozenset[int] = frozenset()
    """Of its emulator and I/O threads."""


def read_nodes(capabilities: Element, freepages: str) -> dict[int, NumaNode]:
    """The nodes by number, from `virsh capabilities` and `virsh freepages --all`."""
    free: dict[int, dict[int, int]] = {}
    node = 0
    for line in freepages.splitlines():
        if match := re.match(r"Node (\d+):", line):
            node = int(match[1])
        elif match := re.match(r"(\d+)KiB: (\d+)", line.strip()):
            free.setdefault(node, {})[int(match[1])] = int(match[2])
    found = {}
    for cell in capabilities.findall("host/topology/cells/cell"):
        number = int(cell.get("id", "0"))
        # One that is offline has a number and nothing else.
        there = {int(cpu.get("id", "0")): cpu for cpu in cell.findall("cpus/cpu") if len(cpu.attrib) > 1}
        cores = {cpu: cpu_set(element.get("siblings", str(cpu))) for cpu, element in there.items()}
        found[number] = NumaNode(frozenset(there), free.get(number, {}), cores)
    return found


def read_pins(domain: Element) -> Pins:
    """What the domain's threads are bound to. `<vcpu cpuset=>` holds for all that has no binding of its own."""
    common = _union(domain, "vcpu")
    tuned = {name: _union(domain, f"cputune/{name}") for name in ("vcpupin", "emulatorpin", "iothreadpin")}
    return Pins(tuned["vcpupin"] or common, (tuned["emulatorpin"] | tuned["iothreadpin"]) or common)


def _union(domain: Element, path: str) -> frozenset[int]:
    return frozenset(cpu for pin in domain.findall(path) for cpu in cpu_set(pin.get("cpuset", "")))


def read_pages(domain: Element) -> dict[tuple[int | None, int], int]:
    """Huge pages that the domain holds, by node and size in KiB. One that does not run has no id, and holds none.

    Memory that may come from several nodes, or from any, is counted for none of them: under None.
    """
    backing, memory = domain.find("memoryBacking/hugepages"), domain.find("memory")
    if backing is None or memory is None or domain.get("id") is None:
        return {}
    page, place = backing.find("page"), domain.find("numatune/memory")
    size = int(page.get("size", "2048")) * _KIB[page.get("unit", "KiB")] if page is not None else 2048
    nodes = cpu_set(place.get("nodeset", "") if place is not None else "")
    node = next(iter(nodes)) if len(nodes) == 1 else None
    return {(node, size): int(memory.text or 0) * _KIB[memory.get("unit", "KiB")] // size}


def cpu_set(text: str) -> frozenset[int]:
    """`0-3,^2,8` as libvirt means it: 0, 1, 3, 8."""
    chosen: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.lstrip("^").partition("-")
        span = set(range(int(first), int(last or first) + 1))
        chosen = chosen - span if part.startswith("^") else chosen | span
    return frozenset(chosen)
