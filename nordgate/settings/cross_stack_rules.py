"""What the stacks and regions of a project have to do with each other: what they must not share, what they measure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from cloudinit.violations import Violation
from nordgate.settings.connection_rules import hypervisor_reach, refused_in_production
from nordgate.settings.hypervisor_settings import HypervisorSettings
from nordgate.settings.partial_validation import valid_parts
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import PROJECT, is_test, region_file, region_names, stack_file, stack_names
from nordgate.settings.stack_settings import Origin, Region, Stack
from nordgate.settings.units import shown
from nordgate.settings.yaml_documents import read


def collisions(project: Path, parts: Mapping[str, Any]) -> Iterator[Violation]:
    """What the valid `parts` of one stack have in common with the project's other files and must not.

    A test stack may mirror its own region, addresses included. What is wrong in another file counts there, not here.
    """
    if cidr := getattr(parts.get("network"), "cidr", None):
        yield from _overlaps(project, parts["region"], cidr)
    for other in stack_names(project):
        if other != parts["stack"]:
            yield from _shared(parts, other, _own_parts(project, other))


def _overlaps(project: Path, region: str, cidr: IPv4Network) -> Iterator[Violation]:
    for other in region_names(project):
        network = _region_parts(project, other).get("network") if other != region else None
        theirs = getattr(network, "cidr", None)
        if theirs and cidr.overlaps(theirs):
            yield Violation(("network", "cidr"), cidr, f"{cidr} overlaps {theirs} of {region_file(other)}")


def vantage_conflicts(project: Path, parts: Mapping[str, Any]) -> Iterator[Violation]:
    """What is wrong between the valid `parts` of one stack and the regions that lie at a distance from its own."""
    here = parts.get("region")
    declared: Mapping[str, float] = getattr(parts.get("round_trips"), "regions", {})
    for region, expected in declared.items():
        where = ("roundTrips", "regions", region)
        if region == here or region not in region_names(project):
            rule = "is the region itself" if region == here else unknown_region(region, project)
            yield Violation(where, shown(expected), rule)
            continue
        mirror = getattr(_region_parts(project, region).get("round_trips"), "regions", {}).get(here, expected)
        if mirror != expected:
            theirs = f"roundTrips.regions.{here} of {region_file(region)} is {shown(mirror)}"
            yield Violation(where, shown(expected), f"{shown(expected)}, and {theirs}: it is the same way")
    for name, vantage in getattr(parts.get("smoke"), "vantages", {}).items():
        if (
            hasattr(vantage, "reach")
            and vantage.region is not None
            and (reason := _why_not_from(project, parts, vantage.region))
        ):
            yield Violation(("smoke", "vantages", name, "reach"), vantage.reach, f"{vantage.reach}: {reason}")


def _why_not_from(project: Path, parts: Mapping[str, Any], region: str) -> str | None:
    """Why the stack cannot be measured from there; nothing when it can."""
    if region == parts.get("region"):
        return "is the region itself; its own host is `hypervisor`"
    if region not in region_names(project):
        return unknown_region(region, project)
    round_trips = getattr(parts.get("round_trips"), "regions", None)
    if round_trips is not None and region not in round_trips:
        return f"needs roundTrips.regions.{region}, the expected round trip from there"
    if getattr(parts.get("network"), "router", ...) is None:
        return "needs network.router, without which the gateways answer nobody outside of their network"
    there = stack_file(_stack_there(parts["stack"], region))
    found = origin(project, parts["stack"], region)
    if found is None:
        return f"needs {there}, right in itself, to know the host there"
    if not is_test(parts["stack"]) and (refused := next(refused_in_production(found.uri), None)):
        return f"its host, {found.uri} in {there}, is not reached as production is: {refused}"
    reach, network = hypervisor_reach(found.uri), parts.get("network")
    if reach.startswith("lab:") and network and network.router != (first := network.cidr.network_address + 1):
        return f"needs network.router to be {first}, the address that a lab has in its guests' network"
    if reach == "local":
        return f"its host, {found.uri} in {there}, is reached neither over SSH nor in a lab"
    return None


def origin(project: Path, stack: str, region: str) -> Origin | None:
    """Where `stack` is measured from in another region: by the stack of its own kind there. None without one."""
    hosts = _own_parts(project, _stack_there(stack, region)).get("hypervisors", {})
    first = getattr(next(iter(hosts.values()), None), "uri", None)
    cidr = getattr(_region_parts(project, region).get("network"), "cidr", None)
    return Origin(uri=first, network=cidr) if first and cidr else None


def _stack_there(stack: str, region: str) -> str:
    return f"{region}-test" if is_test(stack) else region


def unknown_region(region: str, project: Path) -> str:
    """What is said of a region that has no file."""
    known = region_names(project)
    near = difflib.get_close_matches(region, known, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(known) or 'none'}"
    return f"there is no {region_file(region)}; {hint}"


def _shared(parts: Mapping[str, Any], other: str, theirs: Mapping[str, Any]) -> Iterator[Violation]:
    # Of a stack whose region nobody can tell, a test may be the mirror of any.
    mirrors = parts.get("region") in (None, theirs.get("region")) and (is_test(parts["stack"]) or is_test(other))
    keys = ("entry",) if mirrors else ("address", "mac", "entry")
    taken = {
        value: f"gateways.{name}.{key} of {stack_file(other)}"
        for name, gateway in theirs.get("gateways", {}).items()
        for key in keys
        if (value := getattr(gateway, key, None)) is not None
    }
    for name, gateway in parts.get("gateways", {}).items():
        for key in keys:
            value = getattr(gateway, key, None)
            if value is not None and value in taken:
                yield Violation(("gateways", name, key), value, f"{value} is taken by {taken[value]}")
    yield from _same_domain_name(parts, other, theirs)
    pools = {place: name for name, host in theirs.get("hypervisors", {}).items() if (place := _pool(host))}
    for name, host in parts.get("hypervisors", {}).items():
        if (place := _pool(host)) and (found := pools.get(place)) is not None:
            rule = f"{host.pool_path} is the pool of hypervisors.{found} of {stack_file(other)}: two stacks, one folder"
            yield Violation(("hypervisors", name, "poolPath"), host.pool_path, rule)


def _same_domain_name(parts: Mapping[str, Any], other: str, theirs: Mapping[str, Any]) -> Iterator[Violation]:
    """A guest and its volumes are called STACK-GATEWAY, and two stacks may meet on a host today or tomorrow."""
    guests = {f"{other}-{name}": name for name in theirs.get("gateways", {})}
    for name in parts.get("gateways", {}):
        if (guest := f"{parts['stack']}-{name}") in guests:
            whose = f"gateways.{guests[guest]} of {stack_file(other)}"
            yield Violation(("gateways", name), None, f"its guest would be called {guest}, as that of {whose} is")


def _pool(host: HypervisorSettings) -> tuple[str, str] | None:
    """Where its pool is; None while one of the settings that say so is wrong."""
    uri, path = getattr(host, "uri", None), getattr(host, "pool_path", None)
    return (uri, path) if uri and path else None


def _own_parts(project: Path, stack: str) -> dict[str, Any]:
    try:
        config = read(project, stack_file(stack)).values.get("config")
    except SettingsError:
        return {}
    if not isinstance(config, dict):
        return {}
    prefix = f"{PROJECT}:"
    return valid_parts(Stack, {key.removeprefix(prefix): value for key, value in config.items()})[0]


def _region_parts(project: Path, region: str) -> dict[str, Any]:
    try:
        return valid_parts(Region, read(project, region_file(region)).values)[0]
    except SettingsError:
        return {}
