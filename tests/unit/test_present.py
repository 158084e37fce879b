"""What a deployment looks at before it decides: the hosts, and inside the guests that run as they were declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from nordgate.deployment.observe import REBUILD, observe_gateways, rebuild, undeclared
from nordgate.design.gateway_design import GatewayDesign, design
from nordgate.errors import AgentSilentError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.observation import Observed
from nordgate.hypervisor.virsh import Hypervisor as Libvirt
from nordgate.machine import derived_uuid
from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError

PROJECT = Path(__file__).parents[2]
SETTINGS = load_file(PROJECT, "oslo-test")


@pytest.fixture
def declared() -> GatewayDesign:
    return design(SETTINGS, "oslo-test", "gw1", "0" * 64)


def look(declared: GatewayDesign, seed: str, boots: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen = Observed("machine", {declared.domain: frozenset([seed])}, boots, frozenset([seed]))
    monkeypatch.setattr("nordgate.deployment.observe.observe_host", lambda *_: seen)
    return list(observe_gateways(SETTINGS, {"gw1": declared})["gw1"].differs)


def test_the_declared_guest_that_runs_is_looked_into(declared: GatewayDesign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "smoke.guest_proofs.look", lambda *_: ["files on disk is 33 as rendered, wanted 34 as rendered"]
    )
    running = {declared.domain: "b1"}
    for mark in (declared.mark, f"{declared.mark}-2"):
        assert look(declared, declared.seed_volume(mark), running, monkeypatch), mark


@pytest.mark.parametrize("case", ["another guest", "a guest that is off"])
def test_a_guest_that_is_replaced_or_started_anyway_is_not_looked_into(
    declared: GatewayDesign, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr("smoke.guest_proofs.look", lambda *_: pytest.fail("it was looked into"))
    seed = declared.seed_volume("0123456789ab") if case == "another guest" else declared.seed_volume(declared.mark)
    assert look(declared, seed, {declared.domain: "b1"} if case == "another guest" else {}, monkeypatch) == []


def test_a_guest_that_falls_silent_is_proved_again(declared: GatewayDesign, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise AgentSilentError("the guest agent does not answer.")

    monkeypatch.setattr(GuestAgent, "exec", silent)
    seed = declared.seed_volume(declared.mark)
    assert look(declared, seed, {declared.domain: "b1"}, monkeypatch) == ["the guest agent does not answer."]


def test_a_gateway_to_make_anew_must_be_one_of_the_stacks(
    declared: GatewayDesign, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rebuild({"gw1": declared}) == []
    monkeypatch.setenv(REBUILD, "gw1")
    assert rebuild({"gw1": declared}) == ["gw1"]
    monkeypatch.setenv(REBUILD, "gw7")
    with pytest.raises(SettingsError, match='there is no gateway "gw7"; the stack has gw1'):
        rebuild({"gw1": declared})


def test_guests_of_the_stack_that_it_does_not_declare_are_known_by_their_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    uuids = {
        "oslo-test-gw1": derived_uuid("oslo-test", "domain", "oslo-test-gw1"),
        "oslo-test-gw2": derived_uuid("oslo-test", "domain", "oslo-test-gw2"),
        "oslo-test-test-gw1": derived_uuid("oslo-test-test", "domain", "oslo-test-test-gw1"),
        "oslo-test-foreign": "0",
        "else": "1",
    }
    monkeypatch.setattr(
        Libvirt, "virsh", lambda _, verb, *words: "\n".join(uuids) if verb == "list" else uuids[words[0]]
    )
    assert undeclared(SETTINGS, "oslo-test") == {"gw2": "host1"}
