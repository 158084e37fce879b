"""Stack files: good ones parse into frozen settings; bad ones are answered with every problem at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.load import load_file, parse, stack_names
from stacks.problems import SettingsError
from stacks.units import parse_duration, parse_size

PROJECT = Path(__file__).parents[2]
GOOD: dict[str, Any] = yaml.safe_load((PROJECT / "stacks/Pulumi.oslo-test.yaml").read_text())["config"]


def broken(change: Callable[[dict[str, Any]], object]) -> str:
    config = copy.deepcopy(GOOD)
    change(config)
    with pytest.raises(SettingsError) as error:
        parse(config, "stacks/Pulumi.x.yaml")
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
        (lambda c: c["nordgate:gateways"]["gw1"].update(address="10.99.0.1"), "10.99.0.1 is outside the network"),
        (lambda c: c["nordgate:gateways"]["gw1"].update(hypervisor="host9"), '"host9" is none of: host1'),
        (lambda c: c["nordgate:smoke"].pop("budget"), "smoke.budget   is required"),
        (lambda c: c["nordgate:hypervisors"]["host1"].update(uri="lxc:///"), "is no QEMU connection"),
        (lambda c: c["nordgate:hypervisors"]["host1"].update(uri="qemu+ssh://a@b:2222/system"), "has a port"),
        (lambda c: c["nordgate:hardware"].update(profile="fast"), "hardware.profile   fast:"),
        (lambda c: c.update({"nordgate:gateways": ["gw1"]}), "gateways"),
        (lambda c: c["nordgate:nginx"]["routes"][0].update(upstream="ap"), 'routes.0.upstream   "ap" is not one'),
        (lambda c: c["nordgate:nginx"].update(serverNames=["a\nb"]), r'serverNames.0   "a\nb" is not a host name'),
        (lambda c: c["nordgate:nginx"].update(securityHeaders={"a\nb": ""}), r"securityHeaders.a\nb   "),
    ],
)  # fmt: skip
def test_a_broken_setting_is_named_with_its_value_and_its_rule(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    assert said in " ".join(broken(change).split(" "))


def test_all_problems_of_a_file_are_reported_together() -> None:
    def change(config: dict[str, Any]) -> None:
        config["nordgate:hardware"].update(memory="4GB", memry="1GiB")
        config["nordgate:smoke"].pop("budget")
        config["nordgate:gateways"]["gw1"]["address"] = "10.81.0.256"
        config["nordgate:nginx"].update(
            kernel={"sysctl": {"net.ipv4.tcp_tw_recycle": 1, "net.core.somaxcon": 1}},
            log={"file": "$host.json"},
            securityHeaders={"X-A": "a\nb"},
            upstreams={"api": {"servers": ["10.8.0.2"]}},
        )

    text = broken(change)
    assert sorted(line.split()[0] for line in text.splitlines()[1:-1]) == [
        "gateways.gw1.address",
        "hardware.memory",
        "hardware.memry",
        "nginx.kernel.sysctl.net.core.somaxcon",
        "nginx.kernel.sysctl.net.ipv4.tcp_tw_recycle",
        "nginx.log.file",
        "nginx.securityHeaders.X-A",
        "nginx.upstreams.api.servers.0.address",
        "smoke.budget",
    ]
    assert text.endswith("9 problems; nothing was changed.")


def test_a_list_of_refused_items_is_not_called_too_short() -> None:
    text = broken(lambda config: config["nordgate:nginx"].update(serverNames=["a b"]))
    assert "1 problem; nothing was changed." in text
    text = broken(lambda config: config["nordgate:nginx"].update(serverNames=[]))
    assert "nginx.serverNames   []: Tuple should have at least 1 item" in text


def test_two_gateways_cannot_share_an_address() -> None:
    def change(config: dict[str, Any]) -> None:
        config["nordgate:gateways"]["gw2"] = dict(config["nordgate:gateways"]["gw1"])

    text = broken(change)
    assert "gateways.gw2.address" in text
    assert "10.81.0.11 is taken by gateways.gw1.address" in text


@pytest.mark.parametrize(
    ("volume", "log", "fits"),
    [
        ("128MiB", {"rotateMegabytes": 16, "rotateKeep": 2}, True),
        ("128MiB", {"rotateMegabytes": 16, "rotateKeep": 3}, False),
        ("128MiB", {"rotateMegabytes": 16, "rotateKeep": 2, "audit": True}, False),
        ("6GiB", {}, True),
        ("5GiB", {}, False),
    ],
)
def test_the_logs_fit_in_the_data_volume_with_a_quarter_left(volume: str, log: dict[str, Any], fits: bool) -> None:
    config = copy.deepcopy(GOOD)
    config["nordgate:hardware"]["dataVolume"] = volume
    config["nordgate:nginx"]["log"] = log
    if fits:
        assert parse(config, "stacks/Pulumi.x.yaml")
    else:
        with pytest.raises(
            SettingsError, match=r"nginx\.log .*lower rotateMegabytes or rotateKeep, or raise dataVolume"
        ):
            parse(config, "stacks/Pulumi.x.yaml")


def test_what_the_logs_may_take_is_told_in_numbers() -> None:
    said = broken(lambda config: config["nordgate:nginx"]["log"].update(rotateMegabytes=64, audit=True))
    assert "3 logs x 64 MiB x 3 files (rotateKeep and the one in use) take up to 576 MiB, and may take 96" in said


def test_a_missing_stack_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"known: .*oslo-test"):
        load_file(PROJECT, "nowhere")


def test_settings_cannot_be_changed() -> None:
    settings = load_file(PROJECT, "oslo-test")
    with pytest.raises(ValueError, match="frozen"):
        settings.region = "london"  # type: ignore[misc]
