"""Broken files: what `make check` and a plain `pulumi preview` say about each of them, before anything is touched."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError
from tests.costs import within
from tests.e2e.project import Project
from tests.pulumi_cli import pulumi
from tests.unit.settings.known import PROJECT, copy_known, named
from toolchain.paths import VENV

PACKAGES = ("cloudinit", "components", "hosts", "nordgate", "smoke", "stacks")
_SECONDS = 3.0


@dataclass(frozen=True)
class Case:
    """One row of broken.yaml."""

    name: str
    said: list[str]
    stack: str = "oslo-test"
    file: str = "stacks/Pulumi.oslo-test.yaml"
    replace: str = ""
    by: str = ""
    text: str | None = None
    also: dict[str, dict[str, str]] = field(default_factory=dict)
    pulumi: str = ""
    tried: Literal["always", "often", "long"] = "long"

    def break_files(self, project: Path) -> None:
        for file, change in {self.file: {"replace": self.replace, "by": self.by}, **self.also}.items():
            path = project / file
            if file == self.file and self.text is not None:
                path.write_text(self.text)
                continue
            before = path.read_text()
            assert before.count(change["replace"]) == 1, f"{file}: {change['replace']!r} must stand there once"
            path.write_text(before.replace(change["replace"], change["by"]))


CASES = [Case(**row) for row in yaml.safe_load(Path(__file__).with_name("broken.yaml").read_text())]
_MARKS: dict[str, Any] = {"always": (), "often": pytest.mark.slow, "long": pytest.mark.long}
TYPED = [pytest.param(case, marks=_MARKS[case.tried]) for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_check_says_what_is_wrong_and_where(case: Case, project: Path) -> None:
    load_file(project, case.stack)
    case.break_files(project)
    with pytest.raises(SettingsError) as error:
        load_file(project, case.stack)
    text = str(error.value)
    assert text.startswith(("stacks/Pulumi.", "stacks/regions/"))
    assert text.endswith("; nothing was changed.")
    for words in case.said:
        assert words in text, text


def test_there_are_at_least_twenty_kinds_of_mistakes() -> None:
    assert len({case.name for case in CASES}) >= 20


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Where `make` can be typed: the toolchain is there."""
    return Project(tmp_path_factory.mktemp("checkout"), "typed", 8797)


@pytest.mark.parametrize("case", TYPED, ids=named)
def test_make_check_says_it_in_less_than_three_seconds(case: Case, checkout: Project) -> None:
    copy_known(checkout.folder)
    case.break_files(checkout.folder)
    ended = within(_SECONDS, lambda: checkout.make("check", f"STACK={case.stack}"))
    assert ended.code != 0
    assert ended.output.startswith(("nordgate: stacks/Pulumi.", "nordgate: stacks/regions/"))
    assert "Traceback" not in ended.output
    for words in case.said:
        assert words in ended.output, ended.output


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as Pulumi runs it, with a state of its own and none of its resources."""
    folder = tmp_path_factory.mktemp("program")
    for name in (*PACKAGES, "Pulumi.yaml", "__main__.py"):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder)
    (folder / ".nordgate").mkdir()
    (folder / ".nordgate/venv").symlink_to(VENV)
    (folder / "state").mkdir()
    for stack in ("oslo", "oslo-test"):
        made = pulumi(folder, "stack", "init", stack, "--no-select")
        assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize("case", TYPED, ids=named)
def test_plain_pulumi_says_the_same(case: Case, program: Path) -> None:
    copy_known(program)
    case.break_files(program)
    preview = within(_SECONDS, lambda: pulumi(program, "preview", "--stack", case.stack))
    text = preview.stdout + preview.stderr
    assert preview.returncode != 0, text
    assert "Traceback" not in text
    for words in [case.pulumi] if case.pulumi else case.said:
        assert words in text, text
    assert "libvirt" not in preview.stdout.replace("libvirt plugin", ""), "a resource was reached"


@pytest.mark.slow
def test_a_warning_is_seen_in_a_check_and_in_a_preview_and_stops_neither(checkout: Project, program: Path) -> None:
    said = (
        "stacks/Pulumi.oslo.yaml: protectData: false: a gateway that is taken out of this file is deleted with its logs"
    )
    for folder in (checkout.folder, program):
        copy_known(folder)
        file = folder / "stacks/Pulumi.oslo.yaml"
        file.write_text(file.read_text().replace("protectData: true", "protectData: false"))
    ended = checkout.make("check", "STACK=oslo")
    assert (ended.code, f"nordgate: warning: {said}" in ended.output) == (0, True), ended.output
    preview = pulumi(program, "preview", "--stack", "oslo")
    text = preview.stdout + preview.stderr
    assert f"warning: {said}" in text, text
    assert "preflight of oslo" in text, "what ends it is that there are no hosts"
