"""The toolchain as one: CLI, language host and command plugin run a tiny real program, its state in a folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.pulumi_cli import pulumi

_PROGRAM = """
import json, pathlib, pulumi
from pulumi_command import local
probe = local.Command("probe", **json.loads(pathlib.Path("inputs.json").read_text()))
pulumi.export("stdout", probe.stdout)
"""


class _Project:
    """A project of one Command, whose inputs a test chooses."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "Pulumi.yaml").write_text("name: probe\nruntime: python\n")
        (folder / "__main__.py").write_text(_PROGRAM)
        (folder / "state").mkdir()
        self.pulumi("stack", "init", "test")

    def inputs(self, **inputs: Any) -> None:
        (self.folder / "inputs.json").write_text(json.dumps(inputs))

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        return pulumi(self.folder, *words, PULUMI_STACK="test")

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.pulumi("up", "--yes", "--skip-preview", "--diff")

    def planned(self) -> set[str]:
        """What a preview would do to the Command."""
        steps = json.loads(self.pulumi("preview", "--json").stdout)["steps"]
        return {step["op"] for step in steps if step["urn"].endswith("::probe")}


@pytest.fixture
def project(tmp_path: Path) -> _Project:
    return _Project(tmp_path)


@pytest.mark.slow
def test_a_program_goes_up_stays_and_goes_down_without_a_warning(project: _Project) -> None:
    project.inputs(create="echo hello", delete="touch deleted", triggers=["one"])
    up = project.up()
    assert up.returncode == 0, up.stdout + up.stderr
    assert "warning" not in up.stdout + up.stderr
    assert '"hello"' in up.stdout
    assert project.planned() == set()

    project.inputs(create="echo hello", delete="touch deleted", triggers=["two"])
    assert "replace" in project.planned()
    project.inputs(create="echo other", delete="touch deleted", triggers=["one"])
    assert project.planned() == {"update"}

    down = project.pulumi("destroy", "--yes", "--skip-preview")
    assert down.returncode == 0, down.stdout + down.stderr
    assert (project.folder / "deleted").exists()


def test_a_command_that_fails_stops_the_program_and_its_errors_are_on_the_screen(project: _Project) -> None:
    project.inputs(create="echo the disk is on fire >&2; exit 3")
    up = project.up()
    assert up.returncode != 0
    assert "the disk is on fire" in up.stdout + up.stderr
    state = json.loads(project.pulumi("stack", "export").stdout)["deployment"]
    assert "command:local:Command" not in {resource["type"] for resource in state["resources"]}
