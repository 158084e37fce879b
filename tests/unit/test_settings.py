"""Stack files: good ones parse into frozen settings; bad ones are answered with every problem at once."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudinit import PackageSettings
from nordgate.design.gateway_design import design
from nordgate.settings.loader import load_file, parse
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import stack_names
from nordgate.settings.units import parse_duration, parse_size
from tests.tables import first

PROJECT = Path(__file__).parents[2]
GOOD: dict[str, Any] = yaml.safe_load((PROJECT / "stacks/Pulumi.oslo-test.yaml").read_text())["config"]


def broken(change: Callable[[dict[str, Any]], object]) -> str:
    config = copy.deepcopy(GOOD)
    change(config)
    with pytest.raises(SettingsError) as error:
        parse(config, "oslo-test", PROJECT)
    return str(error.value)


@pytest.mark.parametrize("stack", stack_names(PROJECT))
def test_every_stack_file_is_valid(stack: str) -> None:
    assert load_file(PROJECT, stack).gateways


def test_sizes_and_durations_carry_their_units() -> None:
    assert parse_size("4GiB") == 4 << 30
    assert parse_duration("30s") == 30
    assert parse_duration("150ms") == 0.15


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["nordgate:hardware"].update(memry="1GiB"), 'memry   unknown setting; did you mean "memory"?'),
        (lambda c: c["nordgate:gateways"]["gw1"].update(adress="10.81.0.12"), 'did you mean "address"?'),
        (lambda c: c.update({"nordgate:regoin": "oslo"}), 'regoin   unknown setting; did you mean "region"?'),
        (lambda c: c["nordgate:hardware"].update(memory=512), "hardware.memory   512: must have a unit, such as 4GiB"),
        (lambda c: c["nordgate:hardware"].update(memory="4GB"), "4GB: must be a whole number with a unit"),
        (lambda c: c["nordgate:gateways"]["gw1"].update(address="10.99.0.1"), "10.99.0.1 is outside the region's"),
        (lambda c: c["nordgate:gateways"]["gw1"].update(hypervisor="host9"), '"host9" is none of the hypervisors'),
        (lambda c: c["nordgate:hypervisors"]["host1"].update(uri="lxc:///"), "is no QEMU connection"),
        (lambda c: c["nordgate:hypervisors"]["host1"].update(uri="qemu+ssh://a@b:2222/system"), "has a port"),
        (lambda c: c["nordgate:hardware"].update(profile="fast"), "hardware.profile   fast:"),
        (lambda c: c.update({"nordgate:gateways": ["gw1"]}), "gateways"),
        (lambda c: c["nordgate:image"].update(platform="debian-11"), '"debian-11" is not a known platform; known are'),
        (lambda c: c["nordgate:image"].update(packages={"mode": "stock"}), "image.packages.mode   stock:"),
        (lambda c: c["nordgate:image"].update(packages={"mirror": "ftp://a/"}), "image.packages.mirror   "),
    ],
)  # fmt: skip
def test_a_broken_setting_is_named_with_its_value_and_its_rule(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    assert said in " ".join(broken(change).split(" "))


def test_what_pulumi_config_set_writes_is_what_it_was_told() -> None:
    """It puts numbers and truth values of the first level into quotes."""
    config = GOOD | {"nordgate:budgetScale": "60", "nordgate:protectData": "false", "nordgate:parallel": "true"}
    settings = parse(config, "oslo-test", PROJECT)
    assert (settings.budget_scale, settings.protect_data, settings.parallel) == (60, False, True)


def test_all_problems_of_a_file_are_reported_together() -> None:
    def change(config: dict[str, Any]) -> None:
        config["nordgate:hardware"].update(memory="4GB", memry="1GiB")
        config["nordgate:gateways"]["gw1"].update(hypervisor="host9")

    text = broken(change)
    assert "3 problems; nothing was changed." in text


def test_two_gateways_cannot_share_an_address() -> None:
    def change(config: dict[str, Any]) -> None:
        config["nordgate:gateways"]["gw2"] = dict(config["nordgate:gateways"]["gw1"])

    text = broken(change)
    assert "gateways.gw2.address" in text
    assert "10.81.0.11 is taken by gateways.gw1.address" in text


def test_a_volume_group_gives_whole_extents() -> None:
    def change(config: dict[str, Any]) -> None:
        config["nordgate:hypervisors"]["host1"]["volumeGroup"] = "fast"
        config["nordgate:hardware"]["dataVolume"] = "130MiB"

    assert "130MiB is no whole number of 4 MiB extents, and the volume group fast gives nothing else" in broken(change)


def test_a_missing_stack_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"known: .*oslo-test"):
        load_file(PROJECT, "nowhere")


def test_the_seed_follows_the_images_platform() -> None:
    settings = load_file(PROJECT, "oslo-test")
    image = settings.image.model_copy(update={"platform": "debian-12", "packages": PackageSettings(mode="install")})
    made = design(settings.model_copy(update={"image": image}), "oslo-test", "gw1", "0" * 64)
    assert "nginx" in yaml.safe_load(made.seed.user_data)["packages"]
    assert "http2 on;" not in "".join(file.content for file in made.seed.files.values())


def test_settings_cannot_be_changed() -> None:
    settings = load_file(PROJECT, "oslo-test")
    with pytest.raises(ValueError, match="frozen"):
        settings.region = "london"  # type: ignore[misc]


@pytest.mark.parametrize(
    "target", first(1, ["up", "preview", "destroy", "smoke", "verify", "stop", "render", "lab-up", "rebuild"])
)
@pytest.mark.parametrize(
    ("stack", "meant"), [("oslo-tst", '; did you mean "oslo-test"?'), ("", ""), ("x; touch y", "")]
)
def test_a_stack_that_does_not_exist_is_told_before_anything_is_built(
    tmp_path: Path, target: str, stack: str, meant: str
) -> None:
    """In a checkout where nothing has been installed: whatever else make starts would be found out here."""
    for name in (
        "Makefile",
        "nordgate/__init__.py",
        "nordgate/settings/__init__.py",
        "nordgate/settings/stack_files.py",
        "stacks/Pulumi.oslo-test.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((PROJECT / name).read_text())
    words = ["make", "--no-print-directory", "-j4", target, f"STACK={stack}"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    said = f'there is no stack "{stack}" (stacks/Pulumi.{stack}.yaml): the project has oslo-test{meant}'
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == f"nordgate: {said}"
    assert "toolchain" not in ended.stdout + ended.stderr
