"""What one gateway's settings may not say of each other. Each rule looks at as few of them as it can.

So each can be asked of settings of which some are wrong by themselves: it then ends with an AttributeError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cloudinit.addresses import everybody
from cloudinit.violations import Violation

if TYPE_CHECKING:
    from cloudinit.gateway_settings import GatewaySettings


def _routes_lead_to_a_group(gateway: GatewaySettings) -> Iterator[Violation]:
    known = ", ".join(gateway.upstreams)
    for index, route in enumerate(gateway.routes):
        if route.upstream not in gateway.upstreams:
            rule = f'"{route.upstream}" is not one of: {known}'
            yield Violation(("routes", index, "upstream"), route.upstream, rule)


def _readiness_asks_a_group(gateway: GatewaySettings) -> Iterator[Violation]:
    if gateway.readiness and gateway.readiness.upstream not in gateway.upstreams:
        rule = f'"{gateway.readiness.upstream}" is not one of: {", ".join(gateway.upstreams)}'
        yield Violation(("readiness", "upstream"), gateway.readiness.upstream, rule)


def _readiness_asks_one_of_several(gateway: GatewaySettings) -> Iterator[Violation]:
    groups = dict.fromkeys(route.upstream for route in gateway.routes if route.upstream in gateway.upstreams)
    rest = any(route.path == "/" and not route.exact for route in gateway.routes)
    if gateway.readiness is None and len(groups) > 1 and not rest:
        rule = (
            f'must be there, such as `upstream: {next(iter(groups))}`: no route is for "/", and the routes lead to '
            f"{', '.join(groups)}, of which /ready asks one"
        )
        yield Violation(("readiness",), None, rule)


def _servers_of_grpc_are_asked_for_a_connection(gateway: GatewaySettings) -> Iterator[Violation]:
    for name, group in gateway.upstreams.items():
        route = next((route for route in gateway.routes if route.kind == "grpc" and route.upstream == name), None)
        if route and group.health.path:
            rule = (
                f'the route "{route.path}" speaks gRPC with these servers, which answer no GET: leave it out, and a '
                "connection is asked for"
            )
            yield Violation(("upstreams", name, "health", "path"), group.health.path, rule)


def _readiness_by_grpc_has_no_path(gateway: GatewaySettings) -> Iterator[Violation]:
    if gateway.readiness and "path" in gateway.readiness.model_fields_set and gateway.ready_by_grpc:
        rule = f'"{gateway.readiness.upstream}" speaks gRPC alone, and is asked for its health: leave the path out'
        yield Violation(("readiness", "path"), gateway.readiness.path, rule)


def _a_path_has_one_route(gateway: GatewaySettings) -> Iterator[Violation]:
    seen = [(route.path, route.exact) for route in gateway.routes]
    for index, route in enumerate(gateway.routes):
        if (route.path, route.exact) in seen[:index]:
            yield Violation(("routes", index, "path"), route.path, f'"{route.path}" has a route already')


def _a_path_is_not_the_gateways_own(gateway: GatewaySettings) -> Iterator[Violation]:
    for index, route in enumerate(gateway.routes):
        if route.path in ("/health", "/ready"):
            rule = f'"{route.path}" is answered by the gateway itself'
            yield Violation(("routes", index, "path"), route.path, rule)


def _headers_left_to_the_upstream_are_ours(gateway: GatewaySettings) -> Iterator[Violation]:
    for index, route in enumerate(gateway.routes):
        ours = {name.lower() for name in (*gateway.security_headers, *route.response_headers)}
        for number, name in enumerate(route.upstream_headers):
            if name.lower() not in ours:
                rule = f'"{name}" is none of securityHeaders or responseHeaders: the upstream\'s passes anyway'
                yield Violation(("routes", index, "upstreamHeaders", number), name, rule)


def _bodies_fit_their_memory(gateway: GatewaySettings) -> Iterator[Violation]:
    for index, route in enumerate(gateway.routes):
        size, room = route.body_megabytes, gateway.body_buffer_megabytes
        if route.buffered and size > room:
            rule = (
                f"{size} MiB do not fit the {room} MiB of bodyBufferMegabytes, where a body of `kind: {route.kind}` "
                "waits until it is whole: allow less, or more room, or use `kind: stream`"
            )
            yield Violation(("routes", index, "maxBodyMegabytes"), size, rule)


def _a_second_server_can_be_tried(gateway: GatewaySettings) -> Iterator[Violation]:
    for index, route in enumerate(gateway.routes):
        group, connect = gateway.upstreams.get(route.upstream), route.connect_timeout_seconds
        if group and min(group.tries, len(group.servers)) > 1 and connect >= group.retry_timeout_seconds:
            rule = (
                f"{connect} s are not below retryTimeoutSeconds, {group.retry_timeout_seconds}, of "
                f'"{route.upstream}": no second server would be tried'
            )
            yield Violation(("routes", index, "connectTimeoutSeconds"), connect, rule)


def _trusted_proxies_are_some(gateway: GatewaySettings) -> Iterator[Violation]:
    trusted = gateway.trusted_proxies
    for index, network in enumerate(trusted):
        if network in trusted[:index]:
            yield Violation(("trustedProxies", index), str(network), f"{network} is listed twice")
    for network in everybody(trusted):
        alone = network in trusted
        where = ("trustedProxies", trusted.index(network)) if alone else ("trustedProxies",)
        rule = f"{network}{'' if alone else ', put together,'} is everybody: anyone could pose as any client"
        yield Violation(where, str(network), rule)


def _a_name_stands_once(gateway: GatewaySettings) -> Iterator[Violation]:
    for index, name in enumerate(gateway.server_names):
        if name in gateway.server_names[:index]:
            yield Violation(("serverNames", index), name, f'"{name}" is listed twice')


def _workers_may_open_what_they_need(gateway: GatewaySettings) -> Iterator[Violation]:
    if gateway.rlimit_nofile < 2 * gateway.connections:
        rule = f"{gateway.rlimit_nofile} is less than twice the {gateway.connections} worker connections"
        yield Violation(("workerRlimitNofile",), gateway.rlimit_nofile, rule)


def _the_service_may_start(gateway: GatewaySettings) -> Iterator[Violation]:
    if gateway.limit_nofile > gateway.kernel.nr_open:
        rule = f"{gateway.limit_nofile} is above fs.nr_open, {gateway.kernel.nr_open}: the service would not start"
        yield Violation(("limitNofile",), gateway.limit_nofile, rule)


def _the_service_may_open_what_a_worker_needs(gateway: GatewaySettings) -> Iterator[Violation]:
    if gateway.rlimit_nofile > gateway.limit_nofile:
        rule = f"{gateway.rlimit_nofile} is above limitNofile, {gateway.limit_nofile}, of the service"
        yield Violation(("workerRlimitNofile",), gateway.rlimit_nofile, rule)


def _ports_are_taken_once(gateway: GatewaySettings) -> Iterator[Violation]:
    for index, (name, port) in enumerate(zip(("http", "https", "status"), gateway.ports, strict=True)):
        if port in gateway.ports[:index] or port == 22:
            yield Violation(("listeners", name), port, f"port {port} is taken already")


def _ports_are_not_given_away(gateway: GatewaySettings) -> Iterator[Violation]:
    for name, port in zip(("http", "https", "status"), gateway.ports, strict=True):
        if not gateway.kernel.reserves(port):
            rule = f"port {port} lies in the ephemeral range {gateway.kernel.ephemeral_range} and is not reserved"
            yield Violation(("listeners", name), port, rule)


CONTRADICTIONS: tuple[Callable[[GatewaySettings], Iterator[Violation]], ...] = (
    _routes_lead_to_a_group,
    _readiness_asks_a_group,
    _readiness_asks_one_of_several,
    _servers_of_grpc_are_asked_for_a_connection,
    _readiness_by_grpc_has_no_path,
    _a_path_has_one_route,
    _a_path_is_not_the_gateways_own,
    _headers_left_to_the_upstream_are_ours,
    _bodies_fit_their_memory,
    _a_second_server_can_be_tried,
    _trusted_proxies_are_some,
    _a_name_stands_once,
    _workers_may_open_what_they_need,
    _the_service_may_start,
    _the_service_may_open_what_a_worker_needs,
    _ports_are_taken_once,
    _ports_are_not_given_away,
)
