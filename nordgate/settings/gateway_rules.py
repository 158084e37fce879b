"""Rules between the gateways of a stack, their network and their hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address

from cloudinit.violations import Violation
from nordgate.settings.hardware import Hardware, share_problems
from nordgate.settings.hypervisor_settings import HypervisorSettings
from nordgate.settings.stack_settings import Gateway, Network


def gateways_stand_in_the_network(network: Network, gateways: Mapping[str, Gateway]) -> Iterator[Violation]:
    """Gateways have addresses of the region's network that nothing else has there."""
    reserved: dict[IPv4Address | None, str] = {network.router: "is taken by network.router"}
    # A network of two (RFC 3021) or of one has neither.
    if network.cidr.num_addresses > 2:
        reserved[network.cidr.network_address] = f"is the address of the network {network.cidr} itself"
        reserved[network.cidr.broadcast_address] = f"is the broadcast address of {network.cidr}"
    for name, gateway in gateways.items():
        where = ("gateways", name, "address")
        if gateway.address not in network.cidr:
            rule = f"{gateway.address} is outside the region's network {network.cidr}"
            yield Violation(where, gateway.address, rule)
        elif gateway.address in reserved:
            yield Violation(where, gateway.address, f"{gateway.address} {reserved[gateway.address]}")


def gateways_share_nothing(gateways: Mapping[str, Gateway]) -> Iterator[Violation]:
    """No two gateways have one address, MAC address or entry."""
    owners: dict[object, str] = {}
    for name, gateway in gateways.items():
        for key in ("address", "mac", "entry"):
            value = getattr(gateway, key)
            if value is not None and value in owners:
                yield Violation(("gateways", name, key), value, f"{value} is taken by {owners[value]}")
            owners.setdefault(value, f"gateways.{name}.{key}")


def gateways_run_on_listed_hosts(
    gateways: Mapping[str, Gateway], hypervisors: Mapping[str, HypervisorSettings]
) -> Iterator[Violation]:
    """Gateways run on hypervisors that the stack lists."""
    for name, gateway in gateways.items():
        if gateway.hypervisor not in hypervisors:
            rule = f'"{gateway.hypervisor}" is none of the hypervisors: {", ".join(hypervisors)}'
            yield Violation(("gateways", name, "hypervisor"), gateway.hypervisor, rule)


def gateways_do_not_all_fall_with_one_host(
    gateways: Mapping[str, Gateway], hypervisors: Mapping[str, HypervisorSettings]
) -> Iterator[Violation]:
    """Several gateways are on several hypervisors, where there are some."""
    used = {gateway.hypervisor for gateway in gateways.values()}
    others = [name for name in hypervisors if name not in used]
    if len(gateways) > 1 and len(used) == 1 and others:
        rule = f"all {len(gateways)} run on {used.pop()} and would fall with it; put one on {' or '.join(others)}"
        yield Violation(("gateways",), None, rule)


def gateways_get_along_on_their_hosts(hardware: Hardware, gateways: Mapping[str, Gateway]) -> Iterator[Violation]:
    """No gateway takes of its host what another one has."""
    yield from share_problems(hardware, gateways)
