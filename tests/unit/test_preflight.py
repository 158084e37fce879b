"""The preflight of a stack: all hosts at once, one report, and nothing asked twice that was proved."""

from __future__ import annotations

import dataclasses
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from nordgate.cli import __main__ as command
from nordgate.design.gateway_design import GatewayDesign, design
from nordgate.design.image import VerifiedImage
from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.preflight import preflight as module
from nordgate.preflight.demands import Finding, HostDemand, State
from nordgate.preflight.host_facts import HostFacts
from nordgate.preflight.preflight import Report, demands, failures, preflight, programs, summary, table
from nordgate.settings.loader import load_file, parse
from nordgate.settings.stack_settings import Settings
from tests.unit.test_settings import GOOD, PROJECT

CONNECTED = Finding("provider", "connected", "connected", State.OK)
IMAGE = VerifiedImage("images/fake.qcow2", "0" * 64)
FACTS = HostFacts("9.0.0", "7.2.22", True, frozenset({"q35"}), True, "none", {}, None, (), probe={"boot": "b1"})


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gets to every host. What it cannot do is in tests/unit/hypervisor/test_provider.py."""
    monkeypatch.setattr(module, "check_connection", lambda *_: CONNECTED)


def two_hosts(**hardware: Any) -> Settings:
    host = GOOD["nordgate:hypervisors"]["host1"]
    config = GOOD | {"nordgate:hypervisors": {"host1": host, "host2": host | {"uri": "qemu+ssh://h2/system"}}}
    return parse(config | {"nordgate:hardware": GOOD["nordgate:hardware"] | hardware}, "oslo-test", PROJECT)


def designed(stack: str, settings: Settings) -> list[GatewayDesign]:
    return [design(settings, stack, name, IMAGE.checksum) for name in settings.gateways]


def carried_out(stack: str, settings: Settings, project: Path, boot: bool) -> Report:
    return preflight(stack, settings, IMAGE, designed(stack, settings), project, boot)


def demanded(settings: Settings, project: Path) -> list[HostDemand]:
    return demands("x", settings, IMAGE, designed("x", settings), project)


def test_missing_programs_are_named_with_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "virsh").write_text("#!/bin/sh\n")
    (tmp_path / "virsh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = [finding for finding in programs() if finding.state is State.FAIL]
    assert [finding.subject for finding in missing] == ["xsltproc"]


def test_without_virsh_no_host_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    report = carried_out("oslo-test", load_file(PROJECT, "oslo-test"), tmp_path, boot=False)
    assert list(report) == ["this machine"]
    assert failures(report) == 2


def test_hosts_are_asked_at_the_same_time_and_one_that_is_away_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=20)

    def survey(demand: HostDemand) -> HostFacts:
        both.wait()  # whoever is asked alone never gets further
        if demand.host == "host2":
            raise HypervisorError("h2 cannot be reached by SSH: Connection refused.")
        return FACTS

    monkeypatch.setattr(module, "gather_facts", survey)
    monkeypatch.setattr(module, "programs", list)
    report = carried_out("x", two_hosts(), tmp_path, boot=False)
    assert [finding.found for finding in report["host2"]] == ["h2 cannot be reached by SSH: Connection refused"]
    assert len(report["host1"]) > 3


def test_every_host_has_the_guests_and_volumes_that_are_made_there(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / IMAGE.file).write_bytes(b"12345")
    first, second = demanded(two_hosts(), tmp_path)
    assert [guest.name for guest in first.guests] == ["x-gw1"]
    assert first.volumes == {"x-image-0000000000000000.qcow2": 5, "x-gw1-data.raw": 128 << 20}
    assert second.guests == ()
    assert list(second.volumes) == ["x-image-0000000000000000.qcow2"]


def pinned_on_two(second: str) -> Settings:
    """A gateway on each of two hosts; the second's URI is given."""
    config = GOOD["nordgate:hypervisors"]["host1"]
    pinning = {"cpus": [2], "emulator": [0], "iothreads": [0], "node": 0}
    gateway = GOOD["nordgate:gateways"]["gw1"] | {"pinning": pinning}
    other = gateway | {"hypervisor": "host2", "address": "10.81.0.12", "pinning": pinning | {"cpus": [3]}}
    other |= {"entry": "127.0.0.1:8499"}
    return parse(
        GOOD
        | {
            "nordgate:hypervisors": {"host1": config, "host2": config | {"uri": second or config["uri"]}},
            "nordgate:hardware": GOOD["nordgate:hardware"] | {"profile": "latency", "memory": "1GiB"},
            "nordgate:gateways": {"gw1": gateway, "gw2": other},
        },
        "oslo-test",
        PROJECT,
    )


def test_a_host_under_two_names_is_one_host_to_the_places_of_its_guests(tmp_path: Path) -> None:
    settings = pinned_on_two("")
    for demand in demanded(settings, tmp_path):
        assert [(place.gateway, place.cpus) for place in demand.placements] == [("gw1", (2,)), ("gw2", (3,))]
        assert [pages.count for pages in demand.hugepages] == [1, 1]


def test_one_machine_under_two_addresses_is_refused_where_places_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "gather_facts", lambda _: FACTS)
    monkeypatch.setattr(module, "check", lambda *_: [])
    report = carried_out("x", pinned_on_two("qemu+ssh://h2/system"), tmp_path, boot=False)
    assert [finding.found for finding in report["host2"] if finding.state is State.FAIL] == [
        "booted when host1 did: it is that machine, under another address"
    ]
    assert failures(carried_out("x", two_hosts(), tmp_path, boot=False)) == 0, "nothing is bound there"


def test_a_host_that_booted_a_guest_is_not_asked_again_until_its_next_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    booted: list[str] = []

    def boots(*arguments: object) -> Finding:
        booted.append(str(arguments[1]))
        return Finding("kvm boots", "firmware spoke", "guest code that runs", State.OK)

    seen = FACTS
    monkeypatch.setattr(module, "gather_facts", lambda _: seen)
    monkeypatch.setattr(module, "check", lambda *_: [])
    monkeypatch.setattr(module, "boots", boots)
    settings = two_hosts(profile="balanced")
    carried_out("x", settings, tmp_path, boot=True)
    carried_out("x", settings, tmp_path, boot=True)
    assert booted == ["nordgate-probe-x"] * 2, "once for each host"
    seen = dataclasses.replace(FACTS, probe={"boot": "b2"})
    carried_out("x", settings, tmp_path, boot=True)
    assert len(booted) == 4


def test_a_host_that_the_provider_does_not_reach_stops_the_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though virsh and ssh have found all well."""
    asked: list[tuple[str, str]] = []

    def reached(_: Path, uri: str, system: str) -> Finding:
        asked.append((uri, system))
        return dataclasses.replace(CONNECTED, found="forbidden", state=State.FAIL)

    monkeypatch.setattr(module, "gather_facts", lambda _: dataclasses.replace(FACTS, system="u-1"))
    monkeypatch.setattr(module, "check", lambda *_: [Finding("connection", "", "", State.OK)])
    monkeypatch.setattr(module, "check_connection", reached)
    report = carried_out("x", two_hosts(), tmp_path, boot=True)
    assert failures(report) == 2
    assert ("qemu+ssh://h2/system", "u-1") in asked
    assert [finding.subject for finding in report["host2"]] == ["connection", "provider"]


def test_a_preview_boots_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gather_facts", lambda _: FACTS)
    monkeypatch.setattr(module, "check", lambda *_: [])
    monkeypatch.setattr(module, "boots", lambda *_: pytest.fail("a guest was booted"))
    carried_out("x", two_hosts(profile="balanced"), tmp_path, boot=False)


def test_the_summary_shows_what_is_not_well_and_counts() -> None:
    report = {
        "host1": [
            Finding("kvm", "offered", "offered", State.OK),
            Finding("space in /srv", "1.0 GiB free", "2.0 GiB", State.FAIL),
        ]
    }
    assert summary("oslo", report).splitlines() == [
        "  fail  host1  space in /srv  1.0 GiB free  wanted: 2.0 GiB",
        "preflight of oslo: 1 of 2 findings stop it; nothing was changed.",
    ]
    assert len(table(report).splitlines()) == 2


@pytest.mark.parametrize(("state", "code"), [(State.OK, 0), (State.UNKNOWN, 0), (State.FAIL, 1)])
def test_the_command_fails_only_when_something_is_in_the_way(
    state: State, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {"host1": [Finding("kvm", "found", "wanted", state)]}
    monkeypatch.setattr(command, "declared", lambda *_: IMAGE)
    monkeypatch.setattr(command, "preflight", lambda *_, **__: report)
    monkeypatch.setattr("sys.argv", ["nordgate.cli", "preflight", "oslo-test"])
    monkeypatch.chdir(PROJECT)
    assert command.main() == code
    assert f"{state.value:<4}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("refuses", "said"),
    [
        ("", ""),
        ("virsh", "fail  host2  connection  h2 refuses the key  wanted: an answer"),
        ("the provider", "fail  host2  provider  its SSH server forbids the way  wanted: connected"),
    ],
)
def test_before_a_stack_is_destroyed_its_hosts_are_reached_as_the_provider_reaches_them(
    refuses: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def virsh(hypervisor: Hypervisor, *_: str) -> str:
        if refuses == "virsh" and "h2" in hypervisor.label:
            raise HypervisorError("h2 refuses the key.")
        return ""

    def reached(_: Path, uri: str, __: str) -> Finding:
        if refuses == "the provider" and "h2" in uri:
            return Finding("provider", "its SSH server forbids the way", "connected", State.FAIL)
        return CONNECTED

    monkeypatch.setattr(Hypervisor, "virsh", virsh)
    monkeypatch.setattr(module, "check_connection", reached)
    monkeypatch.setattr(command, "load_file", lambda *_: two_hosts())
    monkeypatch.setattr("sys.argv", ["nordgate.cli", "reach", "oslo-test"])
    assert command.main() == bool(refuses)
    text = capsys.readouterr().err
    assert said in text
    assert not refuses or text.endswith("preflight of oslo-test: 1 of 2 findings stop it; nothing was changed.\n")


@pytest.mark.parametrize("stack", ["oslo", "oslo-test"])
def test_make_destroy_asks_the_hosts_first(stack: str) -> None:
    words = ["make", "--dry-run", "--no-print-directory", "destroy", f"STACK={stack}"]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60)
    *_, asked, destroyed = done.stdout.splitlines()
    assert asked.endswith(f"-m nordgate.cli reach {stack}")
    assert destroyed.startswith(f"pulumi destroy --stack {stack}")
