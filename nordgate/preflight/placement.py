"""Where a host's guests run: their processors and huge pages, over all domains that are there. Pure.

A core has two threads where there is hyper-threading: who has one of them has half of the core, and whoever is given
the other takes from it. So a core is compared as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nordgate.preflight.demands import Finding, HostDemand, Placement, State
from nordgate.preflight.host_facts import HostFacts
from nordgate.preflight.topology import NumaNode, Pins

_ALONE = "whole cores that nothing else runs on, on the NUMA node of the memory"


def placement_findings(demand: HostDemand, facts: HostFacts) -> Iterator[Finding]:
    """One finding for each thing that is wrong with a guest's place, or one that it is well; then the huge pages."""
    for place in demand.placements:
        subject = f"place of {place.gateway}"
        wrong = list(_wrong(place, demand, facts))
        yield from (Finding(subject, why, _ALONE, State.FAIL) for why in wrong)
        if not wrong:
            yield Finding(subject, _described(place, facts.nodes), _ALONE, State.OK)
    yield from _pages(demand, facts)


def _wrong(place: Placement, demand: HostDemand, facts: HostFacts) -> Iterator[str]:
    present = frozenset(cpu for node in facts.nodes.values() for cpu in node.cpus)
    uses = {"cpus": place.cpus, "emulator": place.emulator, "iothreads": place.iothreads}
    missing = {
        setting: found for setting, cpus in uses.items() if (found := [cpu for cpu in cpus if cpu not in present])
    }
    for setting, cpus in missing.items():
        yield f"{setting}: no processor {shown(cpus)} is online; the host has {_span(present)}"
    node = facts.nodes.get(place.node)
    if node is None:
        yield f"node {place.node}: no such NUMA node; the host has {shown(facts.nodes)}"
    elif "cpus" not in missing and (far := [cpu for cpu in place.cpus if cpu not in node.cpus]):
        there = shown({_node_of(cpu, facts.nodes) for cpu in far})
        yield f"cpus: {shown(far)} on node {there}, and its memory on node {place.node}, which has {_span(node.cpus)}"
    if not missing:
        yield from _halved(place, facts.nodes)
        yield from _shared(place, demand, facts)


def _halved(place: Placement, nodes: Mapping[int, NumaNode]) -> Iterator[str]:
    """Where the guest's own processors are not the cores that it sees."""
    if place.threads_per_core == 2:
        for first, second in zip(place.cpus[::2], place.cpus[1::2], strict=False):
            if second not in _core(first, nodes):
                core = shown(_core(first, nodes))
                yield f"cpus: {first} and {second} are one core to the guest; on the host {first} has the core {core}"
        return
    for index, cpu in enumerate(place.cpus):
        for other in place.cpus[index + 1 :]:
            if other in _core(cpu, nodes):
                yield f"cpus: {cpu} and {other} are threads of one core: take one of them, or set threadsPerCore: 2"


def _shared(place: Placement, demand: HostDemand, facts: HostFacts) -> Iterator[str]:
    """What else runs on the guest's cores: its own other threads, the stack's other guests, domains of others."""
    marks = {guest.uuid for guest in demand.guests}
    ours = [other for other in demand.placements if other is not place]
    foreign = [(taken.name, taken.pins) for taken in facts.taken if taken.uuid not in marks and taken.pins != Pins()]
    for cpu in place.cpus:
        core = _core(cpu, facts.nodes)
        users = [f"{setting} of it" for setting in ("emulator", "iothreads") if core & {*getattr(place, setting)}]
        users += [
            f"{setting} of {other.gateway}"
            for other in ours
            for setting in ("cpus", "emulator", "iothreads")
            if core & {*getattr(other, setting)}
        ]
        users += [f"the domain {name}" for name, pins in foreign if core & (pins.cpus | pins.others)]
        if users:
            threads = f"{cpu}, a thread of the core {shown(core)}," if len(core) > 1 else str(cpu)
            yield f"cpus: {threads} is shared with {' and '.join(users)}"
    for name, pins in foreign:
        for setting in ("emulator", "iothreads"):
            if both := [cpu for cpu in getattr(place, setting) if _core(cpu, facts.nodes) & pins.cpus]:
                yield f"{setting}: {shown(both)} is on a core that the domain {name} has for its processors"


def _pages(demand: HostDemand, facts: HostFacts) -> Iterator[Finding]:
    """All guests of the stack together: what they hold now is free again when they are replaced."""
    marks = {guest.uuid for guest in demand.guests}
    wanted: dict[tuple[int | None, int], int] = {}
    for pages in demand.hugepages:
        key = (pages.node, pages.size)
        wanted[key] = wanted.get(key, 0) + pages.count
    held: dict[tuple[int | None, int], int] = {}
    for taken in facts.taken:
        for key, count in taken.hugepages.items() if taken.uuid in marks else ():
            held[key] = held.get(key, 0) + count
    for (node, size), count in wanted.items():
        subject = f"hugepages of {size} KiB on {'any node' if node is None else f'node {node}'}"
        if node is not None and node not in facts.nodes:
            yield Finding(subject, "no such node", f"{count} free", State.FAIL)
            continue
        nodes = facts.nodes if node is None else (node,)
        free = sum(facts.nodes[one].free_pages.get(size, 0) for one in nodes)
        if node is None:
            free += sum(found for (_, kind), found in held.items() if kind == size)
            # Those that are bound to a node come first there.
            free -= sum(bound for (one, kind), bound in wanted.items() if one is not None and kind == size)
        else:
            free += held.get((node, size), 0)
        state = State.OK if free >= count else State.FAIL
        guests = sum((pages.node, pages.size) == (node, size) for pages in demand.hugepages)
        together = f" for {guests} guests" if guests > 1 else ""
        yield Finding(subject, f"{max(free, 0)} free", f"{count} free{together}", state)


def _core(cpu: int, nodes: Mapping[int, NumaNode]) -> frozenset[int]:
    return next((node.cores[cpu] for node in nodes.values() if cpu in node.cores), frozenset({cpu}))


def _node_of(cpu: int, nodes: Mapping[int, NumaNode]) -> int:
    return next(number for number, node in nodes.items() if cpu in node.cpus)


def _described(place: Placement, nodes: Mapping[int, NumaNode]) -> str:
    others = {_node_of(cpu, nodes) for cpu in (*place.emulator, *place.iothreads)} - {place.node}
    away = f"; QEMU's other threads on node {shown(others)}" if others else ""
    return f"processors {shown(place.cpus)} and memory on node {place.node}{away}"


def _span(cpus: frozenset[int]) -> str:
    return shown(cpus) if cpus else "none that libvirt tells of"


def shown(numbers: Iterable[int]) -> str:
    """`0-3,8`: numbers in order, runs drawn together."""
    runs: list[list[int]] = []
    for number in sorted({*numbers}):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
