"""The stylesheets, through the same XSLT engine that the provider runs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hardware import PROFILES, domain_stylesheet, network_stylesheet, pool_stylesheet

BASE = Path(__file__).parents[2] / "hardware/base"


def transform(stylesheet: str, base: str, folder: Path) -> ElementTree.Element:
    sheet = folder / "sheet.xslt"
    sheet.write_text(stylesheet)
    result = subprocess.run(
        ["xsltproc", "--nonet", "--nowrite", str(sheet), str(BASE / base)], capture_output=True, text=True, check=True
    )
    return ElementTree.fromstring(result.stdout)


def stylesheet(profile: str = "portable", **changed: object) -> str:
    arguments = {
        "uuid": "u-u-i-d",
        "vcpus": 2,
        "console_log": "/logs/gw1.log",
        "data_serial": "nordgate-data",
        "seed_bus": "sata",
    }
    return domain_stylesheet(PROFILES[profile], **(arguments | changed))  # type: ignore[index,arg-type]


@pytest.fixture
def domain(tmp_path: Path) -> ElementTree.Element:
    return transform(stylesheet(), "domain.xml", tmp_path)


def test_the_same_settings_give_the_same_bytes() -> None:
    assert stylesheet() == stylesheet()


def test_the_domain_has_the_derived_uuid(domain: ElementTree.Element) -> None:
    assert [element.text for element in domain.findall("uuid")] == ["u-u-i-d"]


def test_the_guest_does_not_start_without_aes(domain: ElementTree.Element) -> None:
    aes = domain.find("cpu/feature[@name='aes']")
    assert aes is not None
    assert aes.get("policy") == "require"


def test_disks_keep_their_number_kind_and_order(domain: ElementTree.Element) -> None:
    before = ElementTree.parse(BASE / "domain.xml").findall("devices/disk")
    after = domain.findall("devices/disk")
    assert [disk.get("device") for disk in after] == [disk.get("device") for disk in before]
    assert [disk.get("type") for disk in after] == [disk.get("type") for disk in before]


def test_the_data_volume_alone_carries_the_serial(domain: ElementTree.Element) -> None:
    assert [disk.findtext("serial") for disk in domain.findall("devices/disk[@device='disk']")] == [
        None,
        "nordgate-data",
    ]


def test_every_disk_has_the_profiles_driver(domain: ElementTree.Element) -> None:
    drivers = [disk.find("driver") for disk in domain.findall("devices/disk[@device='disk']")]
    assert [driver.get("type") for driver in drivers if driver is not None] == ["qcow2", "raw"]
    assert {driver.get("cache") for driver in drivers if driver is not None} == {"unsafe"}


def test_the_seed_disk_stays_a_cdrom_and_moves_to_sata(domain: ElementTree.Element) -> None:
    target = domain.find("devices/disk[@device='cdrom']/target")
    assert target is not None
    assert target.get("bus") == "sata"
    assert domain.findtext("devices/disk[@device='cdrom']/serial") == "cloudinit"


def test_the_seed_disk_can_be_on_virtio_scsi_for_kernels_without_ahci(tmp_path: Path) -> None:
    domain = transform(stylesheet(seed_bus="scsi"), "domain.xml", tmp_path)
    assert [target.get("bus") for target in domain.findall("devices/disk[@device='cdrom']/target")] == ["scsi"]
    # Without it libvirt adds a controller for which cloud kernels have no driver.
    assert domain.find("devices/controller[@type='scsi'][@model='virtio-scsi']") is not None


def test_the_serial_console_is_logged(domain: ElementTree.Element) -> None:
    log = domain.find("devices/console/log")
    assert log is not None
    assert log.get("file") == "/logs/gw1.log"


def test_no_screen_no_usb_no_balloon(domain: ElementTree.Element) -> None:
    assert domain.find("devices/graphics") is None
    assert domain.find("devices/controller[@type='usb'][@model='none']") is not None
    assert domain.find("devices/memballoon[@model='none']") is not None


def test_values_are_escaped(tmp_path: Path) -> None:
    log = transform(stylesheet(console_log="/a&<'\">b"), "domain.xml", tmp_path).find("devices/console/log")
    assert log is not None
    assert log.get("file") == "/a&<'\">b"


def test_host_passthrough_for_kvm(tmp_path: Path) -> None:
    cpu = transform(stylesheet("balanced"), "domain.xml", tmp_path).find("cpu")
    assert cpu is not None
    assert cpu.get("mode") == "host-passthrough"


@pytest.mark.parametrize(("make", "base"), [(pool_stylesheet, "pool.xml"), (network_stylesheet, "network.xml")])
def test_pools_and_networks_have_the_derived_uuid(make: object, base: str, tmp_path: Path) -> None:
    result = transform(make("u-u-i-d"), base, tmp_path)  # type: ignore[operator]
    assert [element.text for element in result.findall("uuid")] == ["u-u-i-d"]
