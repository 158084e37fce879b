"""The rules between settings. Each runs as soon as the settings that its parameters name are right by themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from cloudinit import PLATFORMS, GatewaySettings, broken_rules
from cloudinit.contradictions import CONTRADICTIONS
from cloudinit.rules import own_upstreams
from cloudinit.violations import Violation
from nordgate.settings import capacity_rules, check_rules, gateway_rules, production_rules
from nordgate.settings.guest_inputs import guest_settings
from nordgate.settings.hardware import Hardware
from nordgate.settings.hypervisor_settings import HypervisorSettings
from nordgate.settings.stack_settings import Gateway, Image, Network

TIME_ZONES = {"norway": ("Europe/Oslo", "Arctic/Longyearbyen"), "united-kingdom": ("Europe/London", "Europe/Belfast")}
"""Of the IANA time zone database (zone.tab and backward): those that lie in each jurisdiction."""


_EXTENT = 4 << 20
"""Bytes that a volume group deals in unless it was made otherwise: vgcreate(8), --physicalextentsize."""


def violations(parts: Mapping[str, Any], whole: bool) -> list[Violation]:
    """Every broken rule among the valid `parts` of a stack: the fields of Stack and Region by name, and `stack`.

    They are `whole` when nothing in the files is wrong by itself.
    """
    found: list[Violation] = []
    for rule in RULES:
        needed = inspect.signature(rule).parameters.keys()
        if needed <= parts.keys():
            found += _problems(rule, {name: parts[name] for name in needed}, whole)
    return found


def _problems(rule: Callable[..., Iterator[Violation]], values: dict[str, Any], whole: bool) -> list[Violation]:
    """What the rule says of those gateways, hosts and so on that have what it needs.

    Of a part with mistakes, what is wrong is missing: the rule has to wait there, and not for the others.
    """
    while True:
        found = []
        try:
            for problem in rule(**values):
                found.append(problem)
            return found
        except AttributeError as error:
            if whole:
                raise
            fewer = {name: _others(part, error.obj) for name, part in values.items() if isinstance(part, Mapping)}
            unchanged = all(len(fewer[name]) == len(values[name]) for name in fewer)
            if rule in _NEED_EVERY_GATEWAY or unchanged or not all(fewer.values()):
                return found
            values |= fewer


def _others(part: Mapping[str, Any], wrong: object) -> dict[str, Any]:
    """The named things but for the one that is wrong, or has it."""
    return {
        name: item
        for name, item in part.items()
        if item is not wrong and not any(value is wrong for value in getattr(item, "__dict__", {}).values())
    }


def until_invalid(found: Iterator[Violation], whole: bool) -> Iterator[Violation]:
    """The violations that are found before the rule touches a setting that is wrong by itself."""
    try:
        yield from found
    except AttributeError:
        if whole:
            raise


def the_router_is_in_the_network(network: Network) -> Iterator[Violation]:
    """The router is an address of the network, or said to be reached on the link."""
    if network.on_link and not network.router:
        yield Violation(("network", "onLink"), True, "is about the router, and there is none: needs network.router")
    elif network.router and network.router not in network.cidr and not network.on_link:
        rule = f"{network.router} is outside {network.cidr}; a router that is reached there needs network.onLink: true"
        yield Violation(("network", "router"), network.router, rule)


def time_servers_are_reached(network: Network) -> Iterator[Violation]:
    """Time servers have IPv4 addresses, as the guests have."""
    for index, server in enumerate(network.time_servers):
        if ":" in server:
            yield Violation(("network", "timeServers", index), server, f"{server}: the guests have no IPv6 address")


def logical_volumes_are_whole_extents(
    hardware: Hardware, hypervisors: Mapping[str, HypervisorSettings]
) -> Iterator[Violation]:
    """Data volumes in a volume group are whole extents."""
    groups = [host.volume_group for host in hypervisors.values() if host.volume_group]
    if groups and hardware.data_volume % _EXTENT:
        size = f"{hardware.data_volume >> 20}MiB"
        rule = f"{size} is no whole number of 4 MiB extents, and the volume group {groups[0]} gives nothing else"
        yield Violation(("hardware", "dataVolume"), size, rule)


def the_time_zone_is_the_jurisdictions(jurisdiction: str, time_zone: str) -> Iterator[Violation]:
    """The time zone is one of the jurisdiction's."""
    if time_zone not in TIME_ZONES[jurisdiction]:
        rule = f'"{time_zone}" is no time zone of {jurisdiction}: {", ".join(TIME_ZONES[jurisdiction])}'
        yield Violation(("timeZone",), time_zone, rule)


def _of_gateways(
    contradictions: Callable[[GatewaySettings], Iterator[Violation]],
) -> Callable[..., Iterator[Violation]]:
    """What nginx's settings have checked already, unless one of them was wrong by itself."""
    return lambda nginx: _of_nginx(contradictions(nginx))


def gateways_are_not_their_own_upstreams(
    nginx: GatewaySettings, gateways: Mapping[str, Gateway]
) -> Iterator[Violation]:
    """No gateway of the stack is an upstream server of it."""
    return _of_nginx(own_upstreams(nginx, [str(gateway.address) for gateway in gateways.values()]))


def _of_nginx(problems: Iterable[Violation]) -> Iterator[Violation]:
    return (Violation(("nginx", *problem.where), problem.value, problem.rule) for problem in problems)


def guests_can_be_made(
    stack: str,
    network: Network,
    gateways: Mapping[str, Gateway],
    authorized_keys: tuple[str, ...],
    time_zone: str,
    unattended_upgrades: bool,
    nginx: GatewaySettings,
    image: Image,
) -> Iterator[Violation]:
    """What cloudinit asks of a guest's settings and of how nginx's fit them, of which the first speaks for all."""
    if any(the_router_is_in_the_network(network)):
        return
    guests = []
    for name, gateway in gateways.items():
        if gateway.address not in network.cidr:
            continue
        try:
            guest = guest_settings(
                stack, name, gateway, network, authorized_keys, time_zone, unattended_upgrades, image.packages
            )
        except ValidationError as error:
            yield from _of_guest(name, error)
        else:
            guests.append(guest)
    if guests:
        yield from _of_nginx(broken_rules(guests[0], nginx, PLATFORMS[image.platform]))


def _of_guest(name: str, error: ValidationError) -> Iterator[Violation]:
    """What is wrong with the gateway's guest, where it stands in the files, once for each place."""
    found: dict[tuple[str | int, ...], Violation] = {}
    for detail in error.errors():
        first, *rest = detail["loc"]
        where = _SETTINGS_OF_GUESTS.get(str(first), ("gateways", name))
        where = (*where, *(part for part in rest if isinstance(part, int)))
        if str(first) not in _TOLD_ELSEWHERE:
            found.setdefault(where, Violation(where, None, detail["msg"].removeprefix("Value error, ")))
    yield from found.values()


_SETTINGS_OF_GUESTS: dict[str, tuple[str | int, ...]] = {
    "managementNetworks": ("network", "management"),
    "timezone": ("timeZone",),
}
"""Where what becomes a guest's setting stands in the files."""

_TOLD_ELSEWHERE = ("packages", "address", "gatewayAddress")
"""By the image, and by the rules about addresses above."""

_NEED_EVERY_GATEWAY = (gateway_rules.gateways_do_not_all_fall_with_one_host,)
"""Rules that are not judged while a gateway is left out: one more could satisfy them."""

RULES: tuple[Callable[..., Iterator[Violation]], ...] = (
    the_time_zone_is_the_jurisdictions,
    the_router_is_in_the_network,
    time_servers_are_reached,
    gateway_rules.gateways_stand_in_the_network,
    gateway_rules.gateways_share_nothing,
    gateway_rules.gateways_run_on_listed_hosts,
    production_rules.production_hosts_are_who_they_say,
    gateway_rules.gateways_do_not_all_fall_with_one_host,
    logical_volumes_are_whole_extents,
    gateway_rules.gateways_get_along_on_their_hosts,
    *check_rules.RULES,
    *capacity_rules.RULES,
    *production_rules.RULES,
    gateways_are_not_their_own_upstreams,
    *map(_of_gateways, CONTRADICTIONS),
    guests_can_be_made,
)
