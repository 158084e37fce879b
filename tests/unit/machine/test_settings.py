"""What a stack file may say of hardware: a profile, its fields set otherwise, and each gateway's share of its host."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.design.gateway_design import design
from nordgate.settings.hardware import Hardware
from nordgate.settings.loader import parse
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_settings import Settings
from tests.unit.machine.test_stylesheet import CHANGES
from tests.unit.test_settings import PROJECT

STACK_FILE = Path(__file__).parents[3] / "stacks" / "Pulumi.oslo-test.yaml"


def production() -> dict[str, Any]:
    """Two gateways of the latency profile on one host, each on cores of its own."""
    config: dict[str, Any] = yaml.safe_load(STACK_FILE.read_text())["config"]
    config["nordgate:hardware"] = {"profile": "latency", "vcpus": 2, "memory": "2GiB", "dataVolume": "1GiB"}
    first = config["nordgate:gateways"]["gw1"]
    first["pinning"] = {"cpus": [4, 5], "emulator": [0, 1], "iothreads": [2, 3], "node": 0}
    del first["entry"]
    second = copy.deepcopy(first)
    second["address"] = "10.81.0.12"
    second["pinning"]["cpus"] = [6, 7]
    config["nordgate:gateways"]["gw2"] = second
    return config


def changed(*changes: tuple[str, Any]) -> Settings:
    """The settings above with other values at these dotted paths; None removes."""
    config = production()
    for path, value in changes:
        section, *between, last = path.split(".")
        place = config[f"nordgate:{section}"]
        for part in between:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return parse(config, "oslo-test", PROJECT)


def test_a_profiles_fields_hold_where_the_stack_file_is_silent() -> None:
    hardware = changed(("hardware.diskIo", "io_uring"), ("hardware.sharePages", True)).hardware
    assert (hardware.disk_io, hardware.share_pages) == ("io_uring", True)
    assert (hardware.hugepages, hardware.pinned, hardware.disk_cache) == ("1GiB", True, "none")


def test_an_editor_is_shown_no_profiles_value_as_that_of_all() -> None:
    schema = Hardware.model_json_schema()
    assert schema["required"] == ["profile", "vcpus", "memory", "dataVolume"]
    assert [name for name, field in schema["properties"].items() if "default" in field] == []


@pytest.mark.parametrize("field", CHANGES)
def test_another_value_of_any_field_is_another_guest(field: str) -> None:
    """Proved anew, too: a guest's UUID stays the same, and only its fingerprint tells the smoke check of it."""
    unpinned = [(f"gateways.{name}.pinning", None) for name in ("gw1", "gw2")]
    settings = changed(("hardware.profile", "balanced"), ("hardware.vcpus", 4), *unpinned)
    other = settings.model_copy(update={"hardware": settings.hardware.model_copy(update={field: CHANGES[field]})})
    before, after = (design(each, "oslo-test", "gw1", "0" * 64) for each in (settings, other))
    assert (before.fingerprint != after.fingerprint) == (field != "pinned"), "pinning is each gateway's own"


def test_a_larger_data_volume_changes_nothing_of_the_guest() -> None:
    before, after = (
        design(changed(("hardware.dataVolume", size)), "oslo-test", "gw1", "0" * 64) for size in ("1GiB", "2GiB")
    )
    assert before.stylesheet == after.stylesheet
    assert before.seed == after.seed
    assert before.fingerprint == after.fingerprint


CONTROLLER = "0000:65:00.0"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("hardware.diskIO", "native")], 'hardware.diskIO unknown setting; did you mean "diskIo"?'),
        ([("hardware.disk_io", "native")], 'hardware.disk_io unknown setting; did you mean "diskIo"?'),
        ([("hardware.hugepages", "4MiB")], "hardware.hugepages 4MiB: "),
        ([("hardware.memory", "1536MiB")], "hardware.hugepages memory, 1536 MiB, is no whole number of 1GiB pages"),
        ([("hardware.accelerator", "qemu")], "hardware.cpuMode host-passthrough needs accelerator: kvm"),
        ([("hardware.iothreads", 99)], "hardware.iothreads 99: "),
        ([("gateways.gw1.pinning", None)], "gateways.gw1.pinning is required, because hardware.pinned is true"),
        ([("hardware.pinned", False)], "gateways.gw2.pinning has no effect, because hardware.pinned is false"),
        ([("gateways.gw1.pinning.cpus", [4])], "gateways.gw1.pinning.cpus 1 cores for 2 vcpus"),
        (
            [("gateways.gw2.pinning.cpus", [5, 6])],
            "gateways.gw2.pinning.cpus core 5 is also in gateways.gw1.pinning.cpus",
        ),
        ([("gateways.gw1.pinning.nodes", 0)], 'gateways.gw1.pinning.nodes unknown setting; did you mean "node"?'),
        ([("gateways.gw1.nvmeController", "65:00.0")], "gateways.gw1.nvmeController 65:00.0: "),
        (
            [("gateways.gw1.nvmeController", CONTROLLER), ("gateways.gw2.nvmeController", CONTROLLER)],
            "gateways.gw2.nvmeController 0000:65:00.0 of host1 is taken by gateways.gw1",
        ),
        (
            [("hypervisors.host1.bridge", "br0"), ("hypervisors.host1.macvtap", "eth0")],
            "hypervisors.host1.macvtap eth0: bridge: br0 is set too",
        ),
    ],
)
def test_hardware_that_cannot_be_is_named(changes: list[tuple[str, Any]], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        changed(*changes)
    assert said in " ".join(str(error.value).split())


def test_gateways_of_two_hosts_may_use_the_same_cores_and_addresses() -> None:
    second = production()["nordgate:hypervisors"]["host1"]
    settings = changed(
        ("hypervisors.host2", second),
        ("gateways.gw2.hypervisor", "host2"),
        ("gateways.gw2.pinning.cpus", [4, 5]),
        ("gateways.gw1.nvmeController", CONTROLLER),
        ("gateways.gw2.nvmeController", CONTROLLER),
    )
    assert settings.gateways["gw1"].pinning == settings.gateways["gw2"].pinning
