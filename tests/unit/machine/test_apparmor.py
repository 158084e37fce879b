"""AppArmor's rules for a guest, from the program of libvirt that makes them: every file of a disk's chain is in them.

The rules are printed and not loaded: it works on a machine without AppArmor too.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.unit.machine.samples import domain_xml, machine, provider_document

HELPER = Path("/usr/lib/libvirt/virt-aa-helper")


def rules(domain: str, uuid: str) -> str:
    command = [str(HELPER), "--dryrun", "--create", "--uuid", f"libvirt-{uuid}"]
    done = subprocess.run(command, input=domain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A pool with the image, its overlay, the data volume and the seed that the captured documents name."""
    volumes = [
        source.get("volume", "") for source in ElementTree.fromstring(provider_document(machine())).findall(".//source")
    ]
    root, data, seed = [volume for volume in volumes if volume]
    image = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
    overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", "qcow2", str(tmp_path / root)]
    subprocess.run(overlay, check=True)
    for name in (data, seed):
        (tmp_path / name).write_bytes(b"\0" * 512)
    return tmp_path


def test_root_overlay_image_and_data_may_all_be_opened(pool: Path) -> None:
    made = machine("portable", pool_path=str(pool))
    text = rules(domain_xml(made), made.uuid)
    for volume in pool.iterdir():
        assert f'"{volume}" r' in text, volume.name
    assert f'deny "{pool}/image.qcow2" w' in text


def test_by_volume_none_of_them_could(pool: Path) -> None:
    """What libvirt makes of the provider's own `type='volume'`, and why the stylesheet changes it."""
    made = machine("portable", pool_path=str(pool))
    domain = ElementTree.fromstring(provider_document(made))
    ElementTree.SubElement(domain, "uuid").text = made.uuid
    for name in ("devices/graphics",):
        found = domain.find(name)
        devices = domain.find("devices")
        assert found is not None
        assert devices is not None
        devices.remove(found)
    assert str(pool) not in rules(ElementTree.tostring(domain, encoding="unicode"), made.uuid)
