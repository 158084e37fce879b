"""Addresses and networks as settings say them: with their length, and only those that hosts can have."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_interface,
)
from typing import Any

AnyNetwork = IPv4Network | IPv6Network
_THIS_HOST = IPv4Network("0.0.0.0/8")
"""RFC 1122: addresses of a host that does not know its own."""


def network(value: Any) -> Any:
    """Text as a network. Raises ValueError when it has no length, or bits beyond it."""
    if isinstance(value, AnyNetwork):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a network with its length in quotes or bare, such as 10.81.0.0/24")
    try:
        interface = ip_interface(value)
    except ValueError:
        raise ValueError(f'"{value}" is not a network such as 10.81.0.0/24') from None
    if "/" not in value:
        alone = f"{value}/{interface.max_prefixlen}"
        raise ValueError(f'"{value}" has no length: say {alone} for this one address, or the length of its network')
    if "%" in value or not value.rpartition("/")[2].isdigit():
        raise ValueError(f'"{value}" is not a network such as {interface.network.compressed}')
    if interface.ip != interface.network.network_address:
        raise ValueError(f'"{value}" is an address in the network {interface.network}: say that')
    return interface.network


def of_hosts(value: AnyNetwork) -> AnyNetwork:
    """A network that hosts other than the one itself are in. Raises ValueError otherwise."""
    if value.prefixlen and (kind := _no_hosts(value)):
        raise ValueError(f"{value} is {kind}: no host is reached there")
    return value


def of_a_host(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An address that another host can have. Raises ValueError otherwise."""
    if kind := _no_hosts(value):
        raise ValueError(f"{value} is {kind}: no other host has it")
    return value


def unreachable(host: str) -> str | None:
    """Why nobody is reached at the host of an endpoint; None when somebody may be. Loopback may be meant."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return None
    return None if address.is_loopback else _no_hosts(address)


def is_loopback(host: str) -> bool:
    """Whether the host of an endpoint is an address of the guest itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def everybody(networks: Iterable[AnyNetwork], most_bits: int = 1) -> list[AnyNetwork]:
    """Of the networks, put together, those shorter than `most_bits`: in the end, everybody."""
    found: list[AnyNetwork] = []
    for kind in (IPv4Network, IPv6Network):
        of_kind = [one for one in networks if isinstance(one, kind)]
        found += [one for one in collapse_addresses(of_kind) if one.prefixlen < most_bits]  # type: ignore[type-var]
    return found


def _no_hosts(value: AnyNetwork | IPv4Address | IPv6Address) -> str | None:
    if value.is_multicast:
        return "multicast"
    if value.is_loopback:
        return "loopback"
    if value.version == 6:
        return "the address that stands for none" if value.is_unspecified else None
    if IPv4Network(str(value)).subnet_of(_THIS_HOST):
        return "the network that stands for none"
    return "reserved" if value.is_reserved else None
