"""Profiles, pinning and what they ask of a host: what is promised of the values, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nordgate.machine import PROFILES, Pinning, pinning_problems, profile_problems, requires, shared_cores
from nordgate.machine.hardware_page import hardware_page
from nordgate.machine.machine import cpuset
from tests.unit.machine.samples import PINNING, machine

GIB = 1 << 30


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_profile_has_no_problem_by_itself(profile: Any) -> None:
    assert profile_problems(profile, 1, GIB) == []
    assert profile_problems(profile, 8, 16 * GIB) == []


def test_latency_leaves_nothing_to_wait_for() -> None:
    latency = PROFILES["latency"]
    assert latency.accelerator == "kvm"
    assert latency.cpu_mode == "host-passthrough"
    assert latency.pinned
    assert latency.locked_memory
    assert latency.hugepages == "1GiB"
    assert not latency.share_pages
    assert (latency.disk_cache, latency.disk_io) == ("none", "native")
    assert latency.network_backend == "vhost"


def test_balanced_is_latency_without_what_the_host_must_set_aside() -> None:
    differing = {name for name, value in PROFILES["latency"] if value != getattr(PROFILES["balanced"], name)}
    assert differing == {"pinned", "hugepages", "locked_memory", "share_pages", "root"}


@pytest.mark.parametrize(
    ("profile", "changed", "setting"),
    [
        ("portable", {"cpu_mode": "host-passthrough"}, "cpuMode"),
        ("portable", {"network_backend": "vhost"}, "networkBackend"),
        ("portable", {"pinned": True}, "pinned"),
        ("portable", {"disk_io": "native"}, "diskIo"),
        ("balanced", {"disk_cache": "writeback"}, "diskIo"),
        ("balanced", {"threads_per_core": 2, "vcpus": 3}, "threadsPerCore"),
        ("balanced", {"disabled_cpu_features": ("aes",)}, "disabledCpuFeatures"),
        ("balanced", {"hugepages": "2MiB", "memory": 2 * GIB + (1 << 20)}, "hugepages"),
        ("latency", {"memory": GIB + (512 << 20)}, "hugepages"),
        ("balanced", {"iothreads": 0, "iothread_mapping": True}, "iothreadMapping"),
        ("balanced", {"disk_queues": 8}, "diskQueues"),
        ("balanced", {"network_queues": 5}, "networkQueues"),
    ],
)  # fmt: skip
def test_what_cannot_be_together_is_refused_at_its_setting(profile: str, changed: dict[str, Any], setting: str) -> None:
    made = machine(profile, **changed)
    assert [found for found, _ in profile_problems(made.profile, made.vcpus, made.memory)] == [setting]


@pytest.mark.parametrize(
    ("profile", "pinning", "setting", "words"),
    [
        ("latency", None, "", "is required, because hardware.pinned is true"),
        ("balanced", PINNING, "", "has no effect"),
        ("latency", PINNING.model_copy(update={"cpus": (4, 5)}), "cpus", "2 cores for 4 vcpus"),
        ("latency", PINNING.model_copy(update={"cpus": (4, 4, 5, 6)}), "cpus", "core 4 stands there more than once"),
        ("latency", PINNING.model_copy(update={"iothreads": ()}), "iothreads", "is required"),
    ],
)
def test_a_gateways_own_pinning_is_checked(profile: Any, pinning: Pinning | None, setting: str, words: str) -> None:
    ((where, rule),) = pinning_problems(PROFILES[profile], 4, pinning)
    assert where == setting
    assert words in rule


def test_two_gateways_of_a_host_share_housekeeping_cores_and_nothing_else() -> None:
    second = PINNING.model_copy(update={"cpus": (8, 9, 10, 11)})
    assert shared_cores({"gw1": PINNING, "gw2": second}) == []


@pytest.mark.parametrize(
    ("cpus", "emulator", "said"),
    [
        ((7, 8, 9, 10), (0, 1), ("gw2", "core 7 is also in gateways.gw1.pinning.cpus")),
        ((8, 9, 10, 11), (6, 7), ("gw1", "core 6-7 is also in gateways.gw2.pinning.emulator")),
        ((2, 8, 9, 10), (0, 1), ("gw2", "core 2 is also in gateways.gw1.pinning.iothreads")),
        ((8, 9, 10, 11), (8,), ("gw2", "core 8 is also in gateways.gw2.pinning.emulator")),
    ],
)
def test_a_core_with_two_owners_is_named(
    cpus: tuple[int, ...], emulator: tuple[int, ...], said: tuple[str, str]
) -> None:
    second = Pinning(cpus=cpus, emulator=emulator, iothreads=(3,), node=0)
    found = shared_cores({"gw1": PINNING, "gw2": second})
    assert said in [(name, rule) for name, _, rule in found]


@pytest.mark.parametrize(
    ("cores", "text"), [((4,), "4"), ((0, 1, 2, 3), "0-3"), ((3, 1, 0), "0-1,3"), ((8, 4, 5, 8), "4-5,8")]
)
def test_cores_are_written_as_libvirt_writes_them(cores: tuple[int, ...], text: str) -> None:
    assert cpuset(cores) == text


@pytest.mark.parametrize(
    ("profile", "changed", "versions"),
    [
        ("portable", {}, ["7.1"]),
        ("balanced", {}, ["6.5"]),
        ("latency", {"disk_io": "io_uring"}, ["6.5", "6.3"]),
        ("latency", {"iothread_mapping": True}, ["6.5", "10.0"]),
    ],
)
def test_features_name_the_versions_that_they_need(profile: str, changed: dict[str, Any], versions: Any) -> None:
    assert [needed.libvirt for needed in requires(machine(profile, **changed).profile)] == versions


def test_the_page_is_what_the_types_say() -> None:
    page = Path(__file__).parents[3] / "docs" / "hardware.md"
    assert page.read_text() == hardware_page(), "python -m nordgate.machine > docs/hardware.md"
