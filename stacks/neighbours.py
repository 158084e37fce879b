"""What the stacks and regions of a project must not share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from cloudinit.problems import Problem
from stacks.documents import read
from stacks.files import PROJECT, is_test, region_file, region_names, stack_file, stack_names
from stacks.parts import valid_parts
from stacks.problems import SettingsError
from stacks.settings import Region, Stack


def collisions(project: Path, parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What the valid `parts` of one stack have in common with the project's other files and must not.

    A test stack may mirror its own region, addresses included. What is wrong in another file counts there, not here.
    """
    if cidr := getattr(parts.get("network"), "cidr", None):
        yield from _overlaps(project, parts["region"], cidr)
    for other in stack_names(project):
        if other != parts["stack"]:
            yield from _shared(parts, other, _own_parts(project, other))


def _overlaps(project: Path, region: str, cidr: IPv4Network) -> Iterator[Problem]:
    for other in region_names(project):
        network = _region_parts(project, other).get("network") if other != region else None
        theirs = getattr(network, "cidr", None)
        if theirs and cidr.overlaps(theirs):
            yield Problem(("network", "cidr"), cidr, f"{cidr} overlaps {theirs} of {region_file(other)}")


def _shared(parts: Mapping[str, Any], other: str, theirs: Mapping[str, Any]) -> Iterator[Problem]:
    # Of a stack whose region nobody can tell, a test may be the mirror of any.
    mirrors = parts.get("region") in (None, theirs.get("region")) and (is_test(parts["stack"]) or is_test(other))
    keys = ("entry",) if mirrors else ("address", "mac", "entry")
    taken = {
        value: f"gateways.{name}.{key} of {stack_file(other)}"
        for name, gateway in theirs.get("gateways", {}).items()
        for key in keys
        if (value := getattr(gateway, key)) is not None
    }
    for name, gateway in parts.get("gateways", {}).items():
        for key in keys:
            value = getattr(gateway, key)
            if value is not None and value in taken:
                yield Problem(("gateways", name, key), value, f"{value} is taken by {taken[value]}")
    pools = {(host.uri, host.pool_path): name for name, host in theirs.get("hypervisors", {}).items()}
    for name, host in parts.get("hypervisors", {}).items():
        if (found := pools.get((host.uri, host.pool_path))) is not None:
            rule = f"{host.pool_path} is the pool of hypervisors.{found} of {stack_file(other)}: two stacks, one folder"
            yield Problem(("hypervisors", name, "poolPath"), host.pool_path, rule)


def _own_parts(project: Path, stack: str) -> dict[str, Any]:
    try:
        config = read(project, stack_file(stack)).get("config")
    except SettingsError:
        return {}
    if not isinstance(config, dict):
        return {}
    prefix = f"{PROJECT}:"
    return valid_parts(Stack, {str(key).removeprefix(prefix): value for key, value in config.items()})[0]


def _region_parts(project: Path, region: str) -> dict[str, Any]:
    try:
        return valid_parts(Region, read(project, region_file(region)))[0]
    except SettingsError:
        return {}
