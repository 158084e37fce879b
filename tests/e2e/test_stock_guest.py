"""The main job on stock cloud images: the guest installs its packages from the lab's mirror and proves itself.

The tests of one image share its stack and run in this order. An emulated guest needs minutes to install packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from image import bake
from lab import package_mirror
from tests.e2e.project import SOURCE, Project, leftovers

IMAGES = [
    pytest.param(("debian-13", 13, 8771), id="debian-13"),
    pytest.param(("debian-12", 12, 8772), id="debian-12", marks=pytest.mark.long),
]


@pytest.fixture(scope="module", params=IMAGES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    platform, version, port = request.param
    recipe = f"{platform}-stock"
    # In this checkout, where later runs find them; the test's own takes them from here.
    bake.ensure(recipe, checkout=SOURCE)
    key = "".join(f"        {line}\n" for line in package_mirror.public_key().splitlines())
    project = Project(tmp_path_factory.mktemp("checkout"), f"stock{version}", port)
    project.edit(
        "    file: .nordgate/images/debian-13.json\n",
        f"    file: .nordgate/images/{recipe}.json\n"
        f"    platform: {platform}\n"
        "    packages:\n"
        "      mode: install\n"
        f"      mirror: http://10.81.0.1:9080/{recipe}\n"
        f"      key: |\n{key}",
    )
    project.edit("readyWithin: 4min", "readyWithin: 12min")
    yield project
    project.lab_down()


def test_a_stock_image_becomes_a_proved_gateway(project: Project) -> None:
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert project.outputs()["smoke"]["gw1"]["verdict"] == "pass"


def test_its_packages_came_from_the_labs_mirror(project: Project) -> None:
    log = Path(f"/var/lib/nordgate/lab/{project.lab}/log/lab.log").read_text()
    fetched = re.findall(r'"GET /\S+/pool/([a-z0-9-]+)_\S+\.deb HTTP/1\.1" 200', log)
    assert {"chrony", "nftables", "nginx", "qemu-guest-agent"} <= set(fetched)
    assert len(fetched) == len(set(fetched)), "nothing is fetched twice"
    assert '" 404' not in log, "the mirror has all that the guest asks for"


def test_the_guest_is_what_was_declared(project: Project) -> None:
    ended = project.make("verify")
    assert ended.code == 0, ended.output
    assert "0 differ" in ended.output, ended.output


def test_nothing_changes_right_after(project: Project) -> None:
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output


def test_nothing_is_left_after_destroy(project: Project) -> None:
    ended = project.make("destroy")
    assert ended.code == 0, ended.output
    ended = project.make("lab-down")
    assert ended.code == 0, ended.output
    assert leftovers(project) == []
