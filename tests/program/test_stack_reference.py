"""What reads the outputs of a stack, the stack's own next deployment too: real Pulumi, its state in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi as pulumi_sdk
import pytest

from components.previous_outputs import own_outputs
from tests.program.recording import PROJECT, run_program
from tests.pulumi_cli import pulumi

_READER = """
import pulumi
region = pulumi.StackReference("organization/nordgate/london")
pulumi.export("nginx", region.require_output("versions").apply(lambda versions: versions["nginx"]))
pulumi.export("addresses", region.require_output("addresses").apply(lambda addresses: sorted(addresses.values())))
pulumi.export("slowest", region.require_output("smoke").apply(lambda smoke: max(one["p99"] for one in smoke.values())))
"""

# The engine empties this file and fills it again each time that it writes the state.
_READS_WHILE_IT_IS_WRITTEN = """
import pathlib, threading, pulumi
from components.previous_outputs import own_outputs
beside, = pathlib.Path("../state").rglob("stacks/**/own.json.attrs")
whole = beside.read_text()
beside.write_text("")
threading.Timer(0.5, beside.write_text, [whole]).start()
pulumi.export("before", own_outputs())
"""


@pytest.mark.slow
def test_a_stack_reads_its_own_outputs_while_the_engine_writes_its_state(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: nordgate\nruntime: python\n")
    (project / "__main__.py").write_text(_READS_WHILE_IT_IS_WRITTEN)
    printed(project, "stack", "init", "own")
    printed(project, "up", "--yes", "--skip-preview", "--stack", "own", PYTHONPATH=str(PROJECT))
    printed(project, "up", "--yes", "--skip-preview", "--stack", "own", PYTHONPATH=str(PROJECT))
    assert json.loads(printed(project, "stack", "output", "--json", "--stack", "own")) == {"before": {"before": {}}}


def test_a_state_that_cannot_be_read_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("invoke failed:\nfailed to load checkpoint: unexpected EOF")

    monkeypatch.setattr("pulumi.runtime.invoke", broken)
    with pytest.raises(
        pulumi_sdk.RunError, match=r"exported last: failed to load checkpoint: unexpected EOF\. Nothing"
    ):
        own_outputs()


@pytest.mark.slow
def test_a_second_program_reads_a_stacks_outputs(tmp_path: Path) -> None:
    outputs = run_program("london", tmp_path / "run").outputs
    (tmp_path / "state").mkdir()
    producer, reader = tmp_path / "producer", tmp_path / "reader"
    for folder, name in ((producer, "nordgate"), (reader, "reader")):
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
    (reader / "__main__.py").write_text(_READER)

    printed(producer, "stack", "init", "london")
    deployment = json.loads(printed(producer, "stack", "export", "--stack", "london"))
    deployment["deployment"]["resources"] = [_stack(outputs)]
    printed(producer, "stack", "import", "--stack", "london", text=json.dumps(deployment))
    assert json.loads(printed(producer, "stack", "output", "--json", "--stack", "london")) == outputs

    printed(reader, "stack", "init", "dns")
    printed(reader, "up", "--yes", "--skip-preview", "--stack", "dns")
    read = json.loads(printed(reader, "stack", "output", "--json", "--stack", "dns"))
    assert read == {"nginx": "1.26.3", "addresses": ["10.82.0.11", "10.82.0.12"], "slowest": 2}


def _stack(outputs: dict[str, Any]) -> dict[str, Any]:
    """The resource that holds a stack's outputs, as a deployment records it."""
    kind = "pulumi:pulumi:Stack"
    return {
        "urn": f"urn:pulumi:london::nordgate::{kind}::nordgate-london",
        "custom": False,
        "type": kind,
        "outputs": outputs,
    }


def printed(folder: Path, *words: str, text: str | None = None, **variables: str) -> str:
    """What Pulumi prints when it has done so."""
    ended = pulumi(folder, *words, state=folder.parent / "state", text=text, **variables)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
