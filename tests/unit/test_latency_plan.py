"""The stack's latency settings reach the smoke check as a plan that it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.design.gateway_design import design
from nordgate.settings import check_rules
from nordgate.settings.connection_rules import hypervisor_reach
from nordgate.settings.loader import load_file, parse
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.smoke_settings import Smoke
from smoke import reuse
from smoke.load import Budget, Load, Overhead
from smoke.plan import Plan
from smoke.plan_parts import Headers
from smoke.plan_reader import parse_plan
from smoke.sampling import STREAMS, WARM_UP
from tests.unit.settings.known import copy_known

PROJECT = Path(__file__).parents[2]


def plan(**smoke: Any) -> Plan:
    """The plan for oslo-test's gw1 with these smoke settings besides."""
    config = yaml.safe_load((PROJECT / "stacks/Pulumi.oslo-test.yaml").read_text())["config"]
    settings = parse(config, "oslo-test", PROJECT)
    region = yaml.safe_load((PROJECT / "stacks/regions/oslo.yaml").read_text())["smoke"] | smoke
    facts = settings.facts.model_copy(update={"smoke": Smoke.model_validate(region)})
    settings = settings.model_copy(update={"facts": facts, "budget_scale": 1})
    return parse_plan(json.dumps(design(settings, "oslo-test", "gw1", "0" * 64).smoke_plan), "plan")


def test_budgets_arrive_in_milliseconds() -> None:
    limits = {"p50": "5ms", "p99": "30ms", "p999": "1s", "minThroughput": 90, "overhead": {"p50": "1ms"}}
    found = plan(budget=limits, duration="100s", baseline="http://10.81.0.21:9001/").budget
    assert found == Budget(p50=5, p99=30, p999=1000, min_throughput=90, overhead=Overhead(p50=1))


@pytest.mark.parametrize(("p99", "seconds"), [("30ms", 5), ("2500ms", 5), ("4s", 8), ("50s", 60)])
def test_an_answer_is_waited_for_longer_than_any_budget_lasts(p99: str, seconds: float) -> None:
    load = plan(budget={"p50": "5ms", "p99": p99}).load
    assert load is not None
    assert load.timeout_seconds == seconds


def test_what_a_route_may_add_to_the_baseline_leaves_the_rest_of_the_overhead_as_it_was() -> None:
    budget = {"p50": "5ms", "p99": "30ms", "overhead": {"p50": "1ms"}}
    found = plan(budget=budget, rounds=1, baseline="http://h/", routes={"/a": {"overhead": {"p99": "9ms"}}})
    assert found.budget_of(found.vantages[0], "/a").overhead == Overhead(p50=1, p99=9)


def test_a_route_says_only_what_differs() -> None:
    found = plan(budget={"p50": "5ms", "p99": "30ms"}, routes={"/slow": {"p99": "1s"}, "/": {}})
    assert found.measured_paths == ["/slow", "/"]
    assert found.routes["/slow"].over(found.budget) == Budget(p50=5, p99=1000)


def test_without_vantage_points_it_is_measured_from_here_through_the_entry() -> None:
    found = plan()
    assert [(vantage.reach, vantage.connect) for vantage in found.vantages] == [("local", None)]
    assert found.address == ("127.0.0.1", 8443)


def test_the_hypervisor_measures_the_gateways_own_address() -> None:
    found = plan(vantages={"host": {"reach": "hypervisor", "budget": {"p99": "9ms"}}, "here": {"reach": "local"}})
    assert [(vantage.name, vantage.reach, vantage.connect) for vantage in found.vantages] == [
        ("host", "lab:oslo", "10.81.0.11:443"),
        ("here", "local", None),
    ]
    assert found.vantages[0].budget.over(found.budget).p99 == 9


def real_time(stack: str, project: Path, vantages: dict[str, Any]) -> dict[str, bool]:
    """Where the load generator of this stack's check runs ahead of everything else."""
    region = project / "stacks/regions/oslo.yaml"
    region.write_text(region.read_text() + f"  vantages: {json.dumps(vantages)}\n")
    found = parse_plan(json.dumps(design(load_file(project, stack), stack, "gw1", "0" * 64).smoke_plan), "plan")
    return {vantage.name: found.in_real_time(vantage) for vantage in found.vantages}


PLACES = {"here": {"reach": "local"}, "host": {"reach": "hypervisor"}, "office": {"reach": "ssh://probe@office"}}


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("oslo", {"here": False, "host": False, "office": False}),
        ("oslo-test", {"here": True, "host": True, "office": False}),
    ],
)
def test_only_beside_its_own_lab_the_generator_runs_in_real_time(
    stack: str, expected: dict[str, bool], tmp_path: Path
) -> None:
    copy_known(tmp_path)
    assert real_time(stack, tmp_path, PLACES) == expected


@pytest.mark.parametrize(("stack", "asked"), [("oslo", True), ("oslo-test", False)])
def test_a_vantage_point_says_whether_it_runs_in_real_time_there(stack: str, asked: bool, tmp_path: Path) -> None:
    copy_known(tmp_path)
    places = {name: place | {"realTime": asked} for name, place in PLACES.items()}
    assert set(real_time(stack, tmp_path, places).values()) == {asked}


@pytest.mark.parametrize(("stack", "expected"), [("oslo", False), ("oslo-test", True)])
def test_so_it_is_without_vantage_points(stack: str, expected: bool, tmp_path: Path) -> None:
    copy_known(tmp_path)
    assert real_time(stack, tmp_path, {}) == {"local": expected}


def test_a_test_stack_on_the_libvirt_of_this_machine_is_in_no_lab(tmp_path: Path) -> None:
    copy_known(tmp_path)
    file = tmp_path / "stacks/Pulumi.oslo-test.yaml"
    file.write_text(file.read_text().replace("?socket=/var/lib/nordgate/lab/oslo/run/libvirt-sock", ""))
    assert real_time("oslo-test", tmp_path, {"host": {"reach": "hypervisor"}}) == {"host": False}


@pytest.mark.parametrize(
    ("uri", "reach"),
    [
        ("qemu+ssh://deploy@host1.example.net/system", "ssh://deploy@host1.example.net"),
        (
            "qemu+ssh://deploy@host1.example.net:22/system?socket=/s&knownhosts=/etc/k&keyfile=/k",
            "ssh://deploy@host1.example.net:22?knownhosts=/etc/k&keyfile=/k",
        ),
        ("qemu:///system?socket=/var/lib/nordgate/lab/oslo/run/libvirt-sock", "lab:oslo"),
        ("qemu:///system", "local"),
    ],
)
def test_a_hypervisor_is_reached_as_libvirt_reaches_it(uri: str, reach: str) -> None:
    assert hypervisor_reach(uri) == reach


def test_the_brief_check_of_the_test_stack_takes_15_seconds_at_most() -> None:
    load = plan().load
    assert load is not None
    sides = 2 if plan().baseline else 1
    assert load.duration_seconds * sides + load.warm_up_seconds * sides <= 15
    assert load.duration_seconds * load.rate >= 1000  # p99 is judged


def test_answers_are_held_to_the_headers_that_are_declared() -> None:
    found = plan(routes={"/": {}, "/x?y=1": {}})
    assert found.headers.each["X-Content-Type-Options"] == "nosniff"
    assert (found.headers.never, found.paths.limited) == (("X-Powered-By",), "/")


def test_a_path_has_what_its_route_says_or_what_every_answer_has() -> None:
    headers = Headers(each={"X-A": "1"}, routes={"/r": {"x-a": "2"}})
    assert (headers.on("/"), headers.on("/r")) == ({"X-A": "1"}, {"x-a": "2"})


def test_the_example_of_the_docs_is_a_region_that_can_be_judged(tmp_path: Path) -> None:
    copy_known(tmp_path)
    page = (PROJECT / "docs/latency.md").read_text()
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    london = tmp_path / "stacks/regions/london.yaml"
    london.write_text(yaml.safe_dump(yaml.safe_load(london.read_text()) | example))
    for stack in ("london", "london-test"):
        settings = load_file(tmp_path, stack)
        parse_plan(json.dumps(design(settings, stack, "gw1", "0" * 64).smoke_plan), "plan")
    assert set(settings.facts.smoke.vantages) == {"host", "office", "oslo"}


def test_the_region_in_the_readme_can_be_judged(tmp_path: Path) -> None:
    copy_known(tmp_path)
    region = (PROJECT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "stacks/regions/oslo.yaml").write_text(region)
    load_file(tmp_path, "oslo")


GRPC_ROUTES = """
    - {path: /orders.v1.Orders/, upstream: api, kind: grpc}
    - {path: /grpc.health.v1.Health/, upstream: api, kind: grpc}
"""
HEALTH = "/grpc.health.v1.Health/Check"


def grpc_alone(project: Path, smoke: str) -> Plan:
    """The plan for a region with nothing but gRPC in it."""
    copy_known(project)
    region = project / "stacks/regions/oslo.yaml"
    text = region.read_text().replace("\n    - path: /\n      upstream: api\n", GRPC_ROUTES)
    region.write_text(text.replace("smoke:\n", f"smoke:\n{smoke}"))
    return parse_plan(json.dumps(design(load_file(project, "oslo"), "oslo", "gw1", "0" * 64).smoke_plan), "plan")


def test_a_region_with_nothing_but_grpc_can_be_checked(tmp_path: Path) -> None:
    found = grpc_alone(tmp_path, f"  path: {HEALTH}\n  protocols: [h2]\n")
    assert found.measured_paths == [found.paths.proxied] == [HEALTH]


@pytest.mark.parametrize(
    ("smoke", "said"),
    [
        (f"  path: {HEALTH}\n", f"smoke.protocols   {HEALTH} is asked over h2 alone: add it"),
        ("  protocols: [h2]\n", 'smoke.path   "/" has no route'),
        (
            "  path: /orders.v1.Orders/Get\n",
            f"of kind grpc, and answers no plain GET: the check can ask {HEALTH} there",
        ),
    ],
)
def test_what_a_region_of_grpc_alone_lacks_is_said(tmp_path: Path, smoke: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        grpc_alone(tmp_path, smoke)
    assert said in str(caught.value)


def test_the_rules_know_what_the_check_sends() -> None:
    assert (Load().warm_up_seconds, Load().streams) == (WARM_UP, STREAMS)
    assert reuse.REQUESTS == check_rules.IN_A_ROW
