"""A pool that gets full while the image is on its way: it ends with the reason, and the next `up` succeeds."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.project import Project

LAB, PORT = "full", 8753
POOL = Path(f"/var/lib/nordgate/lab/{LAB}/pool")

pytestmark = pytest.mark.long


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Its lab's pool is a file system of its own, small enough to fill."""
    if POOL.is_mount():  # of a run that was cut off
        subprocess.run(["umount", str(POOL)], check=True)
    folder = tmp_path_factory.mktemp("checkout")
    project = Project(folder, LAB, PORT)
    disk = folder.with_suffix(".ext4")
    with disk.open("wb") as file:
        file.truncate(2 << 30)
    subprocess.run(["mkfs.ext4", "-q", str(disk)], check=True)
    POOL.mkdir(parents=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(POOL)], check=True)
    yield project
    project.make("destroy")
    subprocess.run(["umount", str(POOL)], check=True)
    project.lab_down()
    disk.unlink()


def test_a_pool_that_gets_full_during_the_upload_says_so_and_the_next_up_succeeds(project: Project) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(project.make, "up")
        filler = fill_during_upload()
        ended = running.result()
    assert ended.code != 0
    assert "No space left on device" in ended.output, ended.output
    filler.unlink()
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert project.pulumi("preview", "--expect-no-changes").code == 0


def fill_during_upload() -> Path:
    """All but a little of what is free, taken as soon as the image has begun to come; the file that takes it."""
    deadline = time.monotonic() + 300
    while not any(file.stat().st_blocks * 512 > 1 << 20 for file in POOL.glob("*-image-*")):
        assert time.monotonic() < deadline, "the upload never began"
        time.sleep(0.005)
    filler = POOL / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(POOL).free - (8 << 20))
    return filler
