"""What a state has recorded is carried out by every later program."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.errors import HypervisorError, NordgateError
from nordgate.hypervisor import verbs as hosts
from nordgate.hypervisor.requests import VERSION, read
from nordgate.hypervisor.virsh import Hypervisor
from tests.program.recording import PROJECT, run_program

RECORDED = yaml.safe_load(Path(__file__).with_name("requests.yaml").read_text())
STATES = sorted((PROJECT / "tests/recorded").glob("*/state.json"))
VOLUME = "<volume><capacity>134217728</capacity><physical>134217728</physical></volume>"


def resources(state: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(state.read_text())["deployment"]["resources"]
    return found


def deletions() -> list[object]:
    """Everything that a recorded stack runs when it is deleted."""
    return [
        pytest.param(
            one["inputs"]["delete"], one["inputs"]["stdin"], id=f"{state.parent.name} {one['urn'].rpartition('::')[2]}"
        )
        for state in STATES
        for one in resources(state)
        if "delete" in one.get("inputs", {})
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What libvirt is asked, on a host that has the volumes and a guest that is shut off."""
    asked: list[tuple[str, ...]] = []

    def virsh(_: Hypervisor, *words: str, **__: float) -> str:
        asked.append(words)
        return {"vol-dumpxml": VOLUME, "domstate": "shut off\n", "vol-path": "/srv/a\n"}.get(words[0], "")

    monkeypatch.setattr(Hypervisor, "virsh", virsh)
    monkeypatch.setattr("nordgate.hypervisor.volumes._empty", lambda *_: True)
    return asked


@pytest.mark.parametrize(("command", "request_"), deletions())
def test_a_recorded_stack_is_deleted(command: str, request_: str, asked: list[tuple[str, ...]]) -> None:
    program, verb = command.rsplit(" ", 1)
    assert program == ".nordgate/venv/bin/python -m hosts"
    hosts.main(verb, request_)
    wanted = json.loads(request_)
    gone = ("undefine", wanted["domain"]) if verb == "remove" else ("vol-delete", wanted["name"])
    assert gone in [words[:2] for words in asked]


def test_every_verb_that_was_ever_recorded_is_there() -> None:
    assert RECORDED.keys() <= hosts.VERBS.keys()
    recorded = {
        words.rsplit(" ", 1)[1]
        for state in STATES
        for one in resources(state)
        for key in ("create", "update", "delete")
        if "-m hosts " in (words := one.get("inputs", {}).get(key) or "")
    }
    assert recorded == RECORDED.keys()


@pytest.mark.parametrize("verb", RECORDED)
def test_a_recorded_request_is_understood(verb: str) -> None:
    kind, _ = hosts.VERBS[verb]
    found = read(kind, verb, RECORDED[verb])
    assert found.model_dump() == json.loads(RECORDED[verb]) | {"version": 1}


@pytest.mark.parametrize("verb", RECORDED)
def test_what_a_later_program_added_to_a_request_is_passed_over(verb: str) -> None:
    kind, _ = hosts.VERBS[verb]
    added = json.dumps(json.loads(RECORDED[verb]) | {"invented": {"a": 1}, "version": VERSION})
    assert read(kind, verb, added) == read(kind, verb, RECORDED[verb])


@pytest.mark.parametrize("verb", RECORDED)
def test_a_request_of_a_later_version_is_refused_with_what_to_do(verb: str) -> None:
    later = json.dumps(json.loads(RECORDED[verb]) | {"version": VERSION + 1})
    with pytest.raises(
        NordgateError, match=f"to {verb} is of version {VERSION + 1}.*run the checkout that the stack was"
    ):
        hosts.main(verb, later)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "1", '{"uri": 1}', '{"version": "x"}', "{}"])
@pytest.mark.parametrize("verb", ["remove", "delete-volume"])
def test_a_damaged_request_is_one_sentence(verb: str, text: str) -> None:
    with pytest.raises(NordgateError, match=f"the request to {verb} is ") as caught:
        hosts.main(verb, text)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("verb", ["remove", "delete-volume", "delete-image", "delete-root"])
def test_what_is_gone_already_is_deleted(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def virsh(_: Hypervisor, *words: str, **__: float) -> str:
        raise HypervisorError(f"failed to get {'domain' if words[0] == 'domstate' else 'vol'} 'x'")

    monkeypatch.setattr(Hypervisor, "virsh", virsh)
    hosts.main(verb, RECORDED[verb])


def test_the_command_line_that_states_have_recorded_still_starts_it() -> None:
    words = [".nordgate/venv/bin/python", "-m", "hosts", "remove"]
    done = subprocess.run(words, cwd=PROJECT, input="{}", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("nordgate: the request to remove is damaged: uri, domain, within missing or wrong in")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.parent.name)
def test_no_resource_of_a_recorded_stack_has_another_name_today(state: Path, tmp_path: Path) -> None:
    """Pulumi would delete it under the old name, data volume and all, when it has made it under the new one."""
    hardware = {"root": "flat"} if state.parent.name == "flat" else {}
    today = {(one.type, one.name) for one in run_program("oslo-test", tmp_path, hardware=hardware).resources}
    for one in resources(state):
        if not one["type"].startswith(("pulumi:pulumi:", "pulumi:providers:pulumi", "pulumi:providers:command")):
            assert (one["type"], one["urn"].rpartition("::")[2]) in today
