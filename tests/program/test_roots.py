"""The root of a guest, as the engine would see it: an overlay, or a copy that the host makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.program.recording import FAKE_IMAGE, Registered, run_program


def registered(kind: str, folder: Path) -> dict[str, Registered]:
    return {found.name: found for found in run_program("oslo-test", folder, hardware={"root": kind}).resources}


def image_path() -> str:
    """Where the image lies in the pool of its host."""
    return f"/var/lib/nordgate/lab/oslo/pool/oslo-test-image-{FAKE_IMAGE[:16]}.qcow2"


def root_of(kind: str, folder: Path) -> Registered:
    return registered(kind, folder)["gw1-root"]


@pytest.mark.parametrize("kind", ["overlay", "flat"])
def test_the_next_root_is_made_before_the_last_is_deleted(kind: str, tmp_path: Path) -> None:
    assert not root_of(kind, tmp_path).delete_before_replace


def test_an_overlay_stands_on_the_image(tmp_path: Path) -> None:
    made = root_of("overlay", tmp_path)
    assert made.type == "libvirt:index/volume:Volume"
    assert made.inputs["baseVolumeId"] == image_path()


def test_a_copy_names_its_host_pool_image_and_guest(tmp_path: Path) -> None:
    made = root_of("flat", tmp_path)
    assert made.type == "command:local:Command"
    assert made.inputs["create"].endswith("-m hosts copy-root")
    assert made.inputs["delete"].endswith("-m hosts delete-root")
    request = json.loads(made.inputs["stdin"])
    assert request["image"] == image_path()
    assert request["uri"].startswith("qemu:///system?socket=")
    assert request["pool"] == "nordgate-oslo-test"
    assert request["name"].startswith("oslo-test-gw1-root-")
    assert made.inputs["triggers"] == [f"/var/lib/nordgate/lab/oslo/pool/{request['name']}", image_path()]


def test_the_domain_boots_from_the_copy(tmp_path: Path) -> None:
    found = registered("flat", tmp_path)
    request = json.loads(found["gw1-root"].inputs["stdin"])
    root, *_ = found["gw1-domain"].inputs["disks"]
    assert root["volumeId"] == f"/var/lib/nordgate/lab/oslo/pool/{request['name']}"
