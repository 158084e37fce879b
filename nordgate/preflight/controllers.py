"""NVMe controllers that gateways are given whole: there, free, and nothing of the host's own. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nordgate.preflight.demands import Finding, HostDemand, State
from nordgate.preflight.host_facts import HostFacts

_WANTED = "an NVMe controller that nobody else uses, behind an IOMMU"


def controller_findings(demand: HostDemand, facts: HostFacts) -> Iterator[Finding]:
    """One finding for each controller that is asked for."""
    marks = {guest.uuid for guest in demand.guests}
    nodes = {place.gateway: place.node for place in demand.placements}
    for gateway, address in demand.controllers.items():
        subject = f"nvmeController {address} of {gateway}"
        owners = [taken.name for taken in facts.taken if address in taken.controllers and taken.uuid not in marks]
        if owners:
            yield Finding(subject, f"the domain {' and '.join(owners)} has it", _WANTED, State.FAIL)
        elif facts.probe is None:
            yield Finding(subject, f"cannot be told: {facts.probe_problem}", _WANTED, State.UNKNOWN)
        else:
            yield _looked_at(subject, address, facts.probe, nodes.get(gateway))


def _looked_at(subject: str, address: str, probe: Mapping[str, str], node: int | None) -> Finding:
    told = re.findall(r"^(\S+) node (-?\d+) group ?(\d*)$", probe.get("controllers", ""), re.MULTILINE)
    there = {where: (on, group) for where, on, group in told}
    if address not in there:
        found = f"no NVMe controller there; the host has {', '.join(sorted(there)) or 'none'}"
        return Finding(subject, found, _WANTED, State.FAIL)
    home, group = there[address]
    if not group:
        found = "no IOMMU stands before it: intel_iommu=on or amd_iommu=on on the host's kernel command line"
        return Finding(subject, found, _WANTED, State.FAIL)
    if used := list(_used(address, probe)):
        return Finding(subject, f"the host uses it itself: {', '.join(used)}", _WANTED, State.FAIL)
    far = node is not None and home not in ("-1", str(node))
    away = f", and {subject.rpartition(' ')[2]} on node {node}" if far else ""
    return Finding(subject, f"free, on node {home}{away}", _WANTED, State.OK)


def _used(address: str, probe: Mapping[str, str]) -> Iterator[str]:
    """What of the host is mounted from it, or stands on it together with other disks."""
    told = re.findall(r"^/sys/block/([^/]+)/\S*address:(\S+)$", probe.get("identities", ""), re.MULTILINE)
    disks = {name for name, where in told if where == address}
    for disk in json.loads(probe.get("lsblk") or "{}").get("blockdevices", ()):
        if disk["kname"] in disks:
            yield from dict.fromkeys(_uses(disk))


def _uses(device: Mapping[str, Any]) -> Iterable[str]:
    if device.get("mountpoint"):
        yield f"{device['name']} is mounted at {device['mountpoint']}"
    elif device["type"] not in ("disk", "part"):
        yield f"{device['name']} ({device['type']}) stands on it"
    for above in device.get("children", ()):
        yield from _uses(above)
