"""A stack that an older program made, its guest included, is previewed, updated and destroyed by this one."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nordgate.errors import NordgateError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from tests.e2e.project import SOURCE, Project

pytestmark = pytest.mark.long
RECORDED = SOURCE / "tests/recorded/overlay"
LAB, SHARED = "recorded", "nordgate-recorded-test"
DOMAIN = f"{LAB}-test-gw1"
POOL = Path(f"/var/lib/nordgate/lab/{LAB}/pool")
HYPERVISOR = Hypervisor(f"qemu:///system?socket=/var/lib/nordgate/lab/{LAB}/run/libvirt-sock")
KEPT = "/srv/nordgate/kept"
_BOOT_BOUND = 300.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The recorded stack on a lab of its own, its guest running, its state imported."""
    project = Project(tmp_path_factory.mktemp("checkout"), LAB, 8779)
    try:
        for target in ("lab-up", "supplies"):
            ended = project.make(target)
            assert ended.code == 0, ended.output
        stand_up(project)
        deadline = time.monotonic() + _BOOT_BOUND
        while not holds(f"cloud-init status --wait && echo data >{KEPT} && sync"):
            assert time.monotonic() < deadline, "the recorded guest did not get ready"
            time.sleep(1)
        yield project
        project.make("destroy")
    finally:
        project.lab_down()


def stand_up(project: Project) -> None:
    """Make what the older program had made on its host; the image is this checkout's under the recorded name."""
    for kind, name in (("pool", "pool"), ("net", "network")):
        HYPERVISOR.virsh(f"{kind}-define", str(RECORDED / f"{name}.xml"))
        HYPERVISOR.virsh(f"{kind}-start", SHARED)
    shutil.copy(project.image, recorded("image-volume"))
    backing = ["-b", recorded("image-volume"), "-F", "qcow2"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, recorded("gw1-root")], check=True)
    Path(recorded("gw1-seed")).write_bytes(gzip.decompress((RECORDED / "seed.raw.gz").read_bytes()))
    with (POOL / f"{DOMAIN}-data.raw").open("wb") as data:
        data.truncate(128 << 20)
    HYPERVISOR.virsh("pool-refresh", SHARED)
    HYPERVISOR.virsh("define", str(RECORDED / "domain.xml"))
    HYPERVISOR.virsh("start", DOMAIN)
    (project.folder / ".nordgate/state").mkdir()
    for words in (("stack", "init"), ("stack", "import", "--file", str(RECORDED / "state.json"))):
        ended = project.pulumi(*words)
        assert ended.code == 0, ended.output


def recorded(name: str) -> str:
    """The path of what the recorded state has under that resource's name."""
    resources = json.loads((RECORDED / "state.json").read_text())["deployment"]["resources"]
    (found,) = (one for one in resources if one["urn"].endswith(name) and one.get("id"))
    return str((found["inputs"].get("triggers") or [found["id"]])[0])


def holds(command: str) -> bool:
    try:
        return GuestAgent(HYPERVISOR, DOMAIN).exec(["/bin/bash", "-c", command], timeout=60).exit_code == 0
    except NordgateError:
        return False


def test_it_is_previewed_and_its_data_volume_is_neither_replaced_nor_deleted(project: Project) -> None:
    ended = project.make("preview")
    assert ended.code == 0, ended.output
    lines = [line for line in ended.output.splitlines() if "::gw1-data]" in line]
    assert not any("replace" in line or "delete" in line for line in lines), ended.output


def test_a_smaller_data_volume_is_refused_by_its_first_preview(project: Project) -> None:
    project.edit("    dataVolume: 128MiB", "    dataVolume: 96MiB")
    ended = project.pulumi("preview")
    project.edit("    dataVolume: 96MiB", "    dataVolume: 128MiB")
    assert ended.code != 0
    assert "the data volume of gw1 has 128 MiB, and 96 MiB are declared" in ended.output, ended.output


def test_it_is_updated_and_keeps_its_data(project: Project) -> None:
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert holds(f"grep data {KEPT}")
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output


def test_a_part_of_it_is_not_deployed(project: Project) -> None:
    for verb in (["preview"], ["up", "--yes", "--skip-preview"]):
        ended = project.pulumi(*verb, "--target", "**gw1-domain**")
        assert ended.code != 0
        assert "a stack is deployed whole, so leave out --target" in ended.output, ended.output


def test_a_domain_that_is_deleted_alone_is_gone_and_is_made_again(project: Project) -> None:
    alone = ["--yes", "--skip-preview", "--target", "**::gw1-domain"]
    ended = project.pulumi("destroy", *alone)
    assert ended.code != 0
    assert "--target-dependents" in ended.output, ended.output
    assert DOMAIN in HYPERVISOR.virsh("list", "--name").split()
    ended = project.pulumi("destroy", *alone, "--target-dependents")
    assert ended.code == 0, ended.output
    assert DOMAIN not in HYPERVISOR.virsh("list", "--all", "--name").split()
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert holds(f"grep data {KEPT}")


def test_what_was_imported_is_refused_until_it_is_forgotten_and_stays_on_the_host(project: Project) -> None:
    pool = HYPERVISOR.virsh("pool-uuid", SHARED).strip()
    ended = project.pulumi("import", "libvirt:index/pool:Pool", "strange", pool, "--yes", "--generate-code=false")
    if ended.code == 0:
        ended = project.pulumi("preview")
        assert ended.code != 0
        assert "protect" in ended.output, ended.output
        urn = f"urn:pulumi:{project.stack}::nordgate::libvirt:index/pool:Pool::strange"
        assert project.pulumi("state", "delete", urn, "--force", "--yes").code == 0
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output


def test_it_is_destroyed_without_a_trace(project: Project) -> None:
    ended = project.make("destroy")
    assert ended.code == 0, ended.output
    for listing in ("list", "pool-list", "net-list"):
        assert not HYPERVISOR.virsh(listing, "--all", "--name").split()
    assert not POOL.exists() or not list(POOL.iterdir())
