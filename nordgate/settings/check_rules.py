"""The rules about what a stack promises: its smoke check can be passed, and every budget can be met and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

from cloudinit import GatewaySettings
from cloudinit.locations import HEALTH_CHECK, answering
from cloudinit.routing import Route
from cloudinit.violations import Violation
from nordgate.settings.hardware import Hardware
from nordgate.settings.smoke_settings import Smoke, timeout_seconds
from nordgate.settings.stack_files import is_test
from nordgate.settings.stack_settings import Image, RoundTrips
from nordgate.settings.units import shown
from smoke.sampling import PERCENTILES, STREAMS, WARM_UP, Run, unjudged

IN_A_ROW = 20
"""Requests that the check sends on one connection, each as soon as the one before is answered (smoke/reuse.py)."""

_FASTEST_BOOT, _FASTEST_EMULATED_BOOT, _FASTEST_INSTALLATION = 5.0, 20.0, 10.0
"""Seconds that no guest has ever been faster than: a third of what was measured."""


def budgets_can_be_met(smoke: Smoke, round_trips: RoundTrips) -> Iterator[Violation]:
    """No budget is below the round trips that every answer takes."""
    least = round_trips.gateways + round_trips.upstreams
    for name, value in smoke.budget.percentiles.items():
        if value < least:
            rule = (
                f"{shown(value)} can never be met: the round trips alone take {shown(least)} "
                f"(roundTrips: {shown(round_trips.gateways)} to the gateways, {shown(round_trips.upstreams)} onwards)"
            )
            yield Violation(("smoke", "budget", name), shown(value), rule)


def budgets_leave_the_way_from_other_regions(smoke: Smoke, round_trips: RoundTrips) -> Iterator[Violation]:
    """No budget of a vantage point is below the round trip from its region."""
    for name, vantage in smoke.vantages.items():
        expected = round_trips.regions.get(vantage.region) if vantage.region else None
        if expected is None:
            continue
        least = expected + round_trips.upstreams
        why = (
            f"can never be met from {vantage.region}: the round trips alone take {shown(least)} "
            f"(roundTrips: {shown(expected)} to the gateways, {shown(round_trips.upstreams)} onwards)"
        )
        where = ("smoke", "vantages", name, "budget")
        for percentile, limit in vantage.limits(smoke.budget).items():
            if limit < least:
                whose = "" if percentile in vantage.budget.percentiles else ", of smoke.budget,"
                yield Violation((*where, percentile), shown(limit), f"{shown(limit)}{whose} {why}")
        for path, limits in smoke.routes.items():
            for percentile, limit in limits.percentiles.items():
                if limit < least:
                    rule = f"{shown(limit)}, which holds for every vantage point, {why}"
                    yield Violation(("smoke", "routes", path, percentile), shown(limit), rule)


def only_tests_stretch_the_budgets(stack: str, budget_scale: int) -> Iterator[Violation]:
    """Production stacks are held to their region's own budgets."""
    if budget_scale != 1 and not is_test(stack):
        rule = f"must be 1: {stack} is no test stack (NAME-test), and is held to its region's own budgets"
        yield Violation(("budgetScale",), budget_scale, rule)


def _scaled(smoke: Smoke, round_trips: RoundTrips, budget_scale: int) -> Smoke | None:
    """What the gateways are held to; None where a vantage point's distance, which is in its budget, is not known."""
    if any(vantage.region not in {None, *round_trips.regions} for vantage in smoke.vantages.values()):
        return None
    return smoke.scaled(budget_scale, round_trips.regions)


def budgets_can_be_judged(smoke: Smoke, round_trips: RoundTrips, budget_scale: int) -> Iterator[Violation]:
    """The run sends as many requests as each declared budget needs to be judged."""
    scaled = _scaled(smoke, round_trips, budget_scale)
    if scaled is None:
        return
    run = Run(smoke.rate, smoke.duration, smoke.rounds, timeout_seconds(scaled), smoke.baseline is not None)
    told = set()
    for stated, limits in zip(smoke.series, scaled.series, strict=True):
        values = {setting: value for setting, (_, value) in limits.items()}
        for setting, rule in unjudged(values, run):
            (place, _), value = stated[setting], values[setting]
            where = ("smoke", *place, *setting.split("."))
            if where in told:
                continue
            told.add(where)
            stretched = budget_scale != 1 and setting.rpartition(".")[2] in PERCENTILES and value > run.timeout
            yield Violation(where, value, rule + (f" (budgetScale is {budget_scale})" if stretched else ""))


def gateways_can_be_ready_in_time(smoke: Smoke, hardware: Hardware, image: Image) -> Iterator[Violation]:
    """No guest is given less time than the fastest one needs to boot."""
    emulated, installs = hardware.accelerator != "kvm", image.packages.mode == "install"
    least = (_FASTEST_EMULATED_BOOT if emulated else _FASTEST_BOOT) + (_FASTEST_INSTALLATION if installs else 0)
    if smoke.ready_within < least:
        how = " on an emulated processor" * emulated + " and installs its packages" * installs
        rule = f"{shown(smoke.ready_within)} is too short: no guest boots{how} in less than {shown(least)}"
        yield Violation(("smoke", "readyWithin"), shown(smoke.ready_within), rule)


def the_check_asks_what_an_upstream_answers(smoke: Smoke, nginx: GatewaySettings) -> Iterator[Violation]:
    """The paths that are measured lead to an upstream."""
    asked = {("smoke", "path"): smoke.path} | {("smoke", "routes", path): path for path in smoke.routes}
    for where, path in asked.items():
        found = answering(path, nginx.routes)
        if isinstance(found, str):
            yield Violation(where, path, f'"{path}" {found}: the check needs a path that an upstream answers')
        elif (found.kind == "grpc") != (path == HEALTH_CHECK) or found.kind == "websocket":
            what = "answers gRPC alone" if path == HEALTH_CHECK else "answers no plain GET"
            can = f": the check can ask {HEALTH_CHECK} there" if found.kind == "grpc" else ""
            rule = f'"{path}" goes to the route "{found.path}" of kind {found.kind}, and {what}{can}'
            yield Violation(where, path, rule)
    if HEALTH_CHECK in (smoke.routes or (smoke.path,)) and "h2" not in smoke.protocols:
        rule = f"{HEALTH_CHECK} is asked over h2 alone: add it"
        yield Violation(("smoke", "protocols"), ", ".join(smoke.protocols), rule)


def limits_let_the_check_pass(
    smoke: Smoke, nginx: GatewaySettings, round_trips: RoundTrips, budget_scale: int
) -> Iterator[Violation]:
    """Nothing that limits clients or connections is below what the check sends, or a healthy gateway fails it."""
    scaled = _scaled(smoke, round_trips, budget_scale)
    if scaled is None:
        return
    at_once = _at_once(scaled)
    yield from _rate_limit(smoke, nginx, at_once)
    if 2 * smoke.connections > nginx.connections:
        rule = (
            f"{smoke.connections} connections of the check and as many to the upstreams do not fit the "
            f"{nginx.connections} of an nginx worker: fewer, or raise nginx.concurrentClients or workerConnections"
        )
        yield Violation(("smoke", "connections"), smoke.connections, rule)
    paths = [answering(path, nginx.routes) for path in smoke.routes or (smoke.path,)]
    for name in dict.fromkeys(route.upstream for route in paths if isinstance(route, Route)):
        group = nginx.upstreams.get(name)
        most = [server.max_connections for server in group.servers if not server.backup] if group else [0]
        if all(most) and sum(most) < at_once:
            rule = f"at most {sum(most)} connections, and {_why_at_once(at_once)}: more are answered with 502"
            yield Violation(("nginx", "upstreams", name, "servers"), None, rule)


def _rate_limit(smoke: Smoke, nginx: GatewaySettings, at_once: int) -> Iterator[Violation]:
    """Each client address has limits of its own: those of one vantage point; the baseline passes by the gateway."""
    limit = nginx.rate_limit
    if limit is None or limit.dry_run:
        return
    series = max(1, len(smoke.vantages)) * max(1, len(smoke.routes)) * len(smoke.protocols)
    excess = (smoke.rate - limit.requests_per_second) * (smoke.duration + WARM_UP) * series
    if excess > limit.burst:
        rule = (
            f"{limit.requests_per_second} is below smoke.rate, {smoke.rate:g} requests per second from one address: "
            f"the gateway would answer its own check with 429. Raise it, lower smoke.rate, or set dryRun"
        )
        yield Violation(("nginx", "rateLimit", "requestsPerSecond"), limit.requests_per_second, rule)
    if limit.burst < IN_A_ROW:
        rule = (
            f"{limit.burst} is too few: the check sends {IN_A_ROW} requests in a row, and none of them may be "
            f"answered with 429. At least {IN_A_ROW}, or set dryRun"
        )
        yield Violation(("nginx", "rateLimit", "burst"), limit.burst, rule)
    if 0 < limit.connections < at_once:
        rule = f"{limit.connections} is too few: {_why_at_once(at_once)}, and more are answered with 429"
        yield Violation(("nginx", "rateLimit", "connections"), limit.connections, rule)


def _at_once(smoke: Smoke) -> int:
    """Requests that the check may have under way while every answer comes within its p99 budget."""
    slots = smoke.connections * (STREAMS if "h2" in smoke.protocols else 1)
    longest = max(limits["p99"][1] for limits in smoke.series)
    return min(slots, ceil(round(smoke.rate * longest, 6)))


def _why_at_once(at_once: int) -> str:
    return f"the check has up to {at_once} requests under way at once (smoke.rate times its longest p99 budget)"


RULES: tuple[Callable[..., Iterator[Violation]], ...] = (
    budgets_can_be_met,
    budgets_leave_the_way_from_other_regions,
    only_tests_stretch_the_budgets,
    budgets_can_be_judged,
    gateways_can_be_ready_in_time,
    the_check_asks_what_an_upstream_answers,
    limits_let_the_check_pass,
)
