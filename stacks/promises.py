"""The rules about what a stack promises: every budget of its smoke check can be met, and can be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloudinit.problems import Problem
from stacks.files import is_test
from stacks.latency import timeout_seconds
from stacks.samples import PERCENTILES, Run, unjudged
from stacks.settings import RoundTrips
from stacks.smoke import Smoke
from stacks.units import shown


def budgets_can_be_met(smoke: Smoke, round_trips: RoundTrips) -> Iterator[Problem]:
    least = round_trips.gateways + round_trips.upstreams
    for name, value in smoke.budget.percentiles.items():
        if value < least:
            rule = (
                f"{shown(value)} can never be met: the round trips alone take {shown(least)} "
                f"(roundTrips: {shown(round_trips.gateways)} to the gateways, {shown(round_trips.upstreams)} onwards)"
            )
            yield Problem(("smoke", "budget", name), shown(value), rule)


def budgets_leave_the_way_from_other_regions(smoke: Smoke, round_trips: RoundTrips) -> Iterator[Problem]:
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
                yield Problem((*where, percentile), shown(limit), f"{shown(limit)}{whose} {why}")
        for path, limits in smoke.routes.items():
            for percentile, limit in limits.percentiles.items():
                if limit < least:
                    rule = f"{shown(limit)}, which holds for every vantage point, {why}"
                    yield Problem(("smoke", "routes", path, percentile), shown(limit), rule)


def only_tests_stretch_the_budgets(stack: str, budget_scale: int) -> Iterator[Problem]:
    if budget_scale != 1 and not is_test(stack):
        rule = f"must be 1: {stack} is no test stack (NAME-test), and is held to its region's own budgets"
        yield Problem(("budgetScale",), budget_scale, rule)


def budgets_can_be_judged(smoke: Smoke, round_trips: RoundTrips, budget_scale: int) -> Iterator[Problem]:
    if any(vantage.region not in {None, *round_trips.regions} for vantage in smoke.vantages.values()):
        return  # how far that is decides what is left of its budget
    scaled = smoke.scaled(budget_scale, round_trips.regions)
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
            yield Problem(where, value, rule + (f" (budgetScale is {budget_scale})" if stretched else ""))


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (
    budgets_can_be_met,
    budgets_leave_the_way_from_other_regions,
    only_tests_stretch_the_budgets,
    budgets_can_be_judged,
)
