"""A region and its two stacks: what they share, what differs, and how another region is made."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nordgate.cli.new_region import new_region
from nordgate.cli.review.rendered import rendered
from nordgate.design.gateway_design import GatewayDesign, design
from nordgate.errors import NordgateError
from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import is_test, region_names, stack_names
from tests.unit.settings.known import PROJECT

REGIONS = region_names(PROJECT)
MAY_DIFFER = re.compile(
    r"(hypervisors|hardware)\..*"  # where it runs, and on how much
    r"|gateways\.\w+\.(hypervisor|entry|pinning|nvme_controller)(\..*)?"
    r"|image\.(file|url|sha256|sha512)"  # where the image lies on the machine that deploys
    r"|protect_data"  # whether the data is worth anything
    r"|budget_scale"
)
CHECKED_ELSEWHERE = {"budget", "budgetScale", "connect", "libvirt", "stack", "url"}
"""Of what the smoke check is told: the way to the gateway, and the budget."""


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every single setting by its path."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {
        place: leaf for key, item in value.items() for place, leaf in leaves(item, f"{path}.{key}".strip(".")).items()
    }


def designed(stack: str) -> GatewayDesign:
    return design(load_file(PROJECT, stack), stack, "gw1", "0" * 64)


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_has_a_production_and_a_test_stack(region: str) -> None:
    assert {region, f"{region}-test"} <= set(stack_names(PROJECT))
    assert load_file(PROJECT, region).region == load_file(PROJECT, f"{region}-test").region == region


@pytest.mark.parametrize("region", REGIONS)
def test_a_test_stack_differs_in_its_hosts_its_sizes_and_its_budget_scale_only(region: str) -> None:
    production, test = (load_file(PROJECT, stack) for stack in (region, f"{region}-test"))
    assert test.gateways.keys() <= production.gateways.keys(), "fewer perhaps, but no others"
    mirrored = production.model_copy(update={"gateways": {name: production.gateways[name] for name in test.gateways}})
    one, other = leaves(mirrored.model_dump()), leaves(test.model_dump())
    differing = {path for path in one.keys() | other.keys() if one.get(path, "") != other.get(path, "")}
    assert "budget_scale" in differing
    assert [path for path in sorted(differing) if not MAY_DIFFER.fullmatch(path)] == []


@pytest.mark.parametrize("region", REGIONS)
def test_both_stacks_put_the_same_on_a_gateway(region: str) -> None:
    """Seed and files, but for the name and what is derived from it, the name below localhost, and the size of logs."""
    production, test = (rendered(load_file(PROJECT, stack), stack) for stack in (region, f"{region}-test"))
    both = [path for path in {*production, *test} if path.startswith("gateways/gw1/")]
    by_hardware = {f"gateways/gw1/{name}" for name in ("domain.xml", "domain.xslt", "gateway.yaml", "smoke.json")}
    changed = set()
    for path in set(both) - by_hardware:
        after = test[path].replace(f"{region}-test-gw1", f"{region}-gw1")
        lines = difflib.ndiff(production[path].splitlines(), after.splitlines())
        changed |= {line[2:].strip() for line in lines if line.startswith(("+ ", "- "))}
    names = (f"api.{region}-test.localhost", "macaddress: ", "-subj /CN=", "for name in ")
    assert changed
    assert [line for line in changed if not line.startswith("size ") and not any(name in line for name in names)] == []


@pytest.mark.parametrize("region", REGIONS)
def test_both_stacks_are_checked_in_the_same_way(region: str) -> None:
    trees = (rendered(load_file(PROJECT, stack), stack) for stack in (region, f"{region}-test"))
    production, test = (json.loads(tree["gateways/gw1/smoke.json"]) for tree in trees)
    (names,) = (check for check in test["guest"]["checks"] if check["probe"] == "certificate-names")
    names["expected"] = names["expected"].removesuffix(f" api.{region}-test.localhost")
    for plan in (production, test):  # of the size that its own hardware declares
        plan["guest"]["checks"] = [check for check in plan["guest"]["checks"] if check["probe"] != "device-bytes"]
    assert {key for key in {*production, *test} if production.get(key) != test.get(key)} == CHECKED_ELSEWHERE


@pytest.mark.parametrize("region", REGIONS)
def test_the_budget_is_the_regions_and_a_test_says_how_far_it_is_stretched(region: str) -> None:
    production, test = designed(region).smoke_plan, designed(f"{region}-test").smoke_plan
    assert production["budgetScale"] == 1
    assert (scale := test["budgetScale"]) > 1
    assert test["budget"]["p50"] == production["budget"]["p50"] * scale
    assert test["budget"]["p99"] == production["budget"]["p99"] * scale
    assert test["budget"]["errorRate"] == production["budget"]["errorRate"]


@pytest.mark.parametrize("stack", stack_names(PROJECT))
def test_production_is_protected_and_spread_over_its_hosts(stack: str) -> None:
    settings = load_file(PROJECT, stack)
    assert settings.protect_data != is_test(stack)
    if not is_test(stack):
        assert {gateway.hypervisor for gateway in settings.gateways.values()} == set(settings.hypervisors)


@pytest.mark.parametrize("like", ["oslo", "london"])
def test_a_new_region_is_valid_at_once(project: Path, like: str) -> None:
    made = new_region(project, "bergen", like)
    assert [str(path) for path in made] == [
        "stacks/regions/bergen.yaml", "stacks/Pulumi.bergen.yaml", "stacks/Pulumi.bergen-test.yaml",
    ]  # fmt: skip
    everything = {stack: load_file(project, stack) for stack in stack_names(project)}
    assert str(everything["bergen"].network.cidr) == "10.83.0.0/24"
    entries = [gateway.entry for settings in everything.values() for gateway in settings.gateways.values()]
    assert len({entry for entry in entries if entry}) == len([entry for entry in entries if entry])
    for path in made:
        assert like not in (project / path).read_text()
    assert everything["bergen"].facts.time_zone == everything[like].facts.time_zone


def test_make_new_region_says_what_is_still_the_models_and_what_comes_next(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nordgate.cli", "new-region", "bergen"],
        cwd=project, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("stacks/regions/bergen.yaml\nstacks/Pulumi.bergen.yaml\n")
    for words in ("time zone", "make check STACK=bergen", "make up STACK=bergen-test", "pulumi stack init bergen"):
        assert words in done.stdout


def test_a_fourth_region_is_valid_too(project: Path) -> None:
    new_region(project, "bergen", "oslo")
    new_region(project, "leeds", "london")
    assert str(load_file(project, "leeds").network.cidr) == "10.84.0.0/24"


@pytest.mark.parametrize("name", ["no", "yes", "on", "y", "off", "inf", "e1"])
def test_a_region_may_have_a_name_that_older_yaml_took_for_something_else(project: Path, name: str) -> None:
    new_region(project, name, "oslo")
    assert [load_file(project, stack).region for stack in (name, f"{name}-test")] == [name, name]
    new_region(project, "bergen", name)
    assert load_file(project, "bergen").region == "bergen"


@pytest.mark.parametrize("name", ["null", "true", "false"])
def test_a_region_cannot_have_a_name_that_yaml_takes_for_something_else(project: Path, name: str) -> None:
    with pytest.raises(NordgateError, match="YAML takes the word for something else than text"):
        new_region(project, name, "oslo")
    assert name not in region_names(project)


@pytest.mark.parametrize(("cidr", "router"), [("10.81.0.10/31", "10.81.0.10"), ("10.81.0.11/32", None)])
def test_the_two_ends_of_a_link_are_a_network(project: Path, cidr: str, router: str | None) -> None:
    file = project / "stacks/regions/oslo.yaml"
    text = file.read_text().replace("cidr: 10.81.0.0/24", f"cidr: {cidr}")
    file.write_text(text.replace("  router: 10.81.0.1\n", f"  router: {router}\n" if router else ""))
    settings = load_file(project, "oslo-test")
    made = design(settings, "oslo-test", "gw1", "0" * 64)
    assert f"10.81.0.11/{settings.network.cidr.prefixlen}" in made.seed.network_config


def test_both_ends_of_a_link_that_are_taken_are_told(project: Path) -> None:
    file = project / "stacks/regions/oslo.yaml"
    file.write_text(
        file.read_text().replace("10.81.0.0/24\n  router: 10.81.0.1\n", "10.81.0.10/31\n  router: 10.81.0.11\n")
    )
    with pytest.raises(SettingsError, match=r"gateways\.gw1\.address +10\.81\.0\.11 is taken by network\.router"):
        load_file(project, "oslo-test")


@pytest.mark.parametrize("name", ["oslo", "Bergen", "ber gen", "../x", "bergen-test", "a" * 21, "1st", ""])
def test_a_region_that_cannot_be_made_leaves_no_file(project: Path, name: str) -> None:
    before = sorted(project.rglob("*"))
    with pytest.raises(NordgateError):
        new_region(project, name, "oslo")
    assert sorted(project.rglob("*")) == before


def test_two_production_stacks_of_one_region_cannot_share_an_address(project: Path) -> None:
    text = (project / "stacks/Pulumi.oslo.yaml").read_text().replace("/srv/nvme/nordgate", "/srv/nvme/second")
    (project / "stacks/Pulumi.oslo-second.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"10\.81\.0\.11 is taken by gateways\.gw1\.address of .*oslo\.yaml"):
        load_file(project, "oslo-second")


@pytest.mark.parametrize(
    ("stack", "model", "gateway"),
    [
        ("oslo-test", "oslo-test", "test-gw1"),
        ("oslo-second", "oslo", "second-gw1"),
        ("oslo-london-test", "london-test", "london-test-gw1"),
    ],
    ids=["a test and what it mirrors", "two stacks of a region", "stacks of two regions"],
)
def test_no_two_guests_of_a_project_have_one_name(project: Path, stack: str, model: str, gateway: str) -> None:
    """Whatever hosts they are on: `gw1` of the stack is called as that gateway of oslo."""
    text = (project / f"stacks/Pulumi.{model}.yaml").read_text()
    (project / f"stacks/Pulumi.{stack}.yaml").write_text(text)
    oslo = project / "stacks/Pulumi.oslo.yaml"
    oslo.write_text(oslo.read_text().replace("    gw1:\n", f"    {gateway}:\n"))
    for ours, own, theirs, other in ((stack, "gw1", "oslo", gateway), ("oslo", gateway, stack, "gw1")):
        with pytest.raises(SettingsError) as error:
            load_file(project, ours)
        whose = f"gateways.{other} of stacks/Pulumi.{theirs}.yaml"
        said = f"its guest would be called {stack}-gw1, as that of {whose} is\n"
        assert re.search(rf"gateways\.{own} +{said}", str(error.value)), error.value


def test_two_stacks_cannot_share_a_pool(project: Path) -> None:
    text = (project / "stacks/Pulumi.oslo.yaml").read_text().replace("10.81.0.1", "10.81.0.5")
    (project / "stacks/Pulumi.oslo-second.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"hypervisors\.host1\.poolPath .* two stacks, one folder"):
        load_file(project, "oslo-second")


VANTAGE = """
  vantages:
    oslo:
      reach: region:oslo
      budget: {p50: 45ms, p99: 120ms}
"""


def measured_from_oslo(project: Path) -> Path:
    """London's file, with a vantage point in Oslo."""
    file = project / "stacks/regions/london.yaml"
    file.write_text(file.read_text().rstrip("\n") + VANTAGE)
    return file


@pytest.mark.parametrize(
    ("stack", "reach"),
    [
        ("london", "ssh://deploy@host1.oslo.example.net?knownhosts=/etc/nordgate/known_hosts"),
        ("london-test", "lab:oslo"),
    ],
)
def test_another_region_measures_from_the_first_host_of_its_stack_of_the_same_kind(
    project: Path, stack: str, reach: str
) -> None:
    measured_from_oslo(project)
    (vantage,) = design(load_file(project, stack), stack, "gw1", "0" * 64).smoke_plan["vantages"]
    assert (vantage["name"], vantage["reach"], vantage["connect"]) == ("oslo", reach, "10.82.0.11:443")


def test_a_test_stack_stretches_what_a_budget_leaves_beyond_the_way(project: Path) -> None:
    measured_from_oslo(project)
    budgets = {
        stack: design(load_file(project, stack), stack, "gw1", "0" * 64).smoke_plan["vantages"][0]["budget"]
        for stack in ("london", "london-test")
    }
    assert (budgets["london"]["p50"], budgets["london"]["p99"]) == (45, 120)
    assert (budgets["london-test"]["p50"], budgets["london-test"]["p99"]) == (35 + 10 * 50, 35 + 85 * 50)


@pytest.mark.parametrize("stack", ["london", "london-test"])
def test_between_labs_the_router_is_the_lab(project: Path, stack: str) -> None:
    file = measured_from_oslo(project)
    file.write_text(file.read_text().replace("router: 10.82.0.1\n", "router: 10.82.0.254\n"))
    if stack == "london":
        load_file(project, stack)
    else:
        with pytest.raises(
            SettingsError, match=r"needs network\.router to be 10\.82\.0\.1, the address that a lab has"
        ):
            load_file(project, stack)


def test_a_region_at_an_unknown_distance_measures_nothing(project: Path) -> None:
    file = measured_from_oslo(project)
    file.write_text(file.read_text().replace("regions: {oslo: 35ms}", "regions: {}"))
    with pytest.raises(SettingsError, match=r"vantages\.oslo\.reach +region:oslo: needs roundTrips\.regions\.oslo"):
        load_file(project, "london-test")


def test_a_region_whose_stack_names_no_host_to_measure_from_is_refused(project: Path) -> None:
    measured_from_oslo(project)
    (project / "stacks/Pulumi.oslo.yaml").unlink()
    load_file(project, "london-test")
    with pytest.raises(SettingsError, match=r"region:oslo: needs stacks/Pulumi\.oslo\.yaml"):
        load_file(project, "london")


def test_a_gateway_without_a_router_is_measured_from_its_own_region_only(project: Path) -> None:
    file = measured_from_oslo(project)
    file.write_text(file.read_text().replace("  router: 10.82.0.1\n", ""))
    with pytest.raises(SettingsError, match=r"region:oslo: needs network\.router"):
        load_file(project, "london-test")
