"""Two bakes from the same packages are one image, another only where the packages are; a stack is always the same.

That a stack which was destroyed and made again is the same on its host: test_side_by_side.py.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from image import bake
from nordgate.design.gateway_design import designs
from nordgate.settings.loader import load_file
from tests.e2e.project import SOURCE, Project

APT_SOURCES = Path("/etc/apt/sources.list.d")
RECORD = bake.record_of("debian-13")
FOLLOW_THE_IMAGE = {"host1-image-volume", "gw1-root", "gw1-seed", "gw1-power", "gw1-domain", "gw1-end", "gw1-check"}


@pytest.mark.long
def test_two_bakes_of_the_same_packages_are_the_same_image(tmp_path: Path) -> None:
    one, other = (bake.ensure(refresh=True, checkout=tmp_path / name) for name in ("one", "other"))
    assert one.packages == other.packages
    assert one.tree == other.tree
    assert one.sha256 == other.sha256


@pytest.mark.parametrize("stack", ["oslo-test", "london-test"])
def test_a_stack_is_worked_out_to_the_same_bytes_every_time(stack: str) -> None:
    first, second = (designs(load_file(SOURCE, stack), stack, SOURCE) for _ in range(2))
    assert [dataclasses.asdict(one) for one in first] == [dataclasses.asdict(other) for other in second]


@dataclass(frozen=True)
class Refreshed:
    """A checkout whose image has been refreshed, and what became of it."""

    project: Project
    before: dict[str, Any]
    after: dict[str, Any]
    """The manifests."""

    def declare(self, manifest: dict[str, Any]) -> None:
        """Have the stack start from that one of the two images."""
        (self.project.folder / RECORD).write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refreshed]:
    project = Project(tmp_path_factory.mktemp("checkout"), "fresh", 8796)
    record = project.folder / RECORD
    bake_without_security_updates(project, tmp_path_factory.mktemp("sources"))
    before = json.loads(record.read_text())
    ended = project.make("image", "REFRESH=1")
    assert ended.code == 0, ended.output
    yield Refreshed(project, before, json.loads(record.read_text()))
    project.make("destroy")
    project.lab_down()


def bake_without_security_updates(project: Project, folder: Path) -> None:
    """As on the day before they came: this machine's apt knows no security mirror meanwhile."""
    for path in APT_SOURCES.iterdir():
        # Paragraphs of the one format, lines of the other.
        end = "\n\n" if path.suffix == ".sources" else "\n"
        kept = [part for part in path.read_text().split(end) if "-security" not in part]
        (folder / path.name).write_text(end.join(kept))
    script = f"mount --bind {shlex.quote(str(folder))} {APT_SOURCES}; exec make image REFRESH=1"
    subprocess.run(["unshare", "--mount", "sh", "-ec", script], cwd=project.folder, check=True, timeout=900)


@pytest.mark.long
def test_a_refreshed_image_takes_security_updates(refreshed: Refreshed) -> None:
    before, after = refreshed.before, refreshed.after
    assert after["recipe"] == before["recipe"]
    assert after["packages"] != before["packages"], "the mirror has no security update for the image today"
    assert after["file"] != before["file"]
    assert not (refreshed.project.folder / before["file"]).exists()


@pytest.mark.long
def test_a_refresh_leaves_the_images_of_other_checkouts_alone(refreshed: Refreshed) -> None:
    mine, beside = (folder / RECORD for folder in (refreshed.project.folder, SOURCE))
    assert not mine.samefile(beside)
    found = json.loads(beside.read_text())
    assert bake.ensure().file == found["file"], "it is there, whole"


@pytest.mark.long
def test_the_plan_shows_that_another_image_replaces_image_and_guests_and_nothing_else(refreshed: Refreshed) -> None:
    project = refreshed.project
    ended = project.make("up")
    assert ended.code == 0, ended.output
    refreshed.declare(refreshed.before)
    plan = json.loads(project.pulumi("preview", "--json").output)
    steps = {step["urn"].rpartition("::")[2]: step["op"] for step in plan["steps"]}
    assert {name: operation for name, operation in steps.items() if operation != "same"} == dict.fromkeys(
        FOLLOW_THE_IMAGE, "replace"
    )
    refreshed.declare(refreshed.after)
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output
