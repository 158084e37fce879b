"""The stylesheets, through the same XSLT engine that the provider runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from lxml import etree

from nordgate.machine import (
    PROFILES,
    Machine,
    Profile,
    domain_stylesheet,
    facts,
    network_stylesheet,
    pool_stylesheet,
)
from tests.unit.machine.samples import BASE, PINNING, SAMPLES, WAYS, domain_xml, machine, provider_document, xsltproc

LIBVIRTS_OWN = {"console log", "memory KiB"}
"""Facts whose place in a domain is another one before libvirt has read it: serial ports, and units."""

CHANGES: dict[str, Any] = {
    "accelerator": "qemu",
    "machine_type": "pc-q35-7.1",
    "cpu_mode": "maximum",
    "boot_order": ("network", "root"),
    "threads_per_core": 2,
    "require_aes": False,
    "disabled_cpu_features": ("avx2",),
    "pinned": True,
    "hugepages": "2MiB",
    "locked_memory": True,
    "share_pages": False,
    "iothreads": 1,
    "iothread_mapping": True,
    "root": "flat",
    "disk_cache": "writeback",
    "disk_io": "io_uring",
    "disk_discard": "ignore",
    "disk_queues": 2,
    "network_backend": "qemu",
    "network_queues": 2,
}
"""Another value than that of `balanced` for every field of a profile."""


def domain(made: Machine, way: str = "network") -> ElementTree.Element:
    return ElementTree.fromstring(domain_xml(made, way))


def differing(made: Machine, found: ElementTree.Element) -> set[str]:
    return {fact.what for fact in facts(made) if fact.read(found) != fact.declared} - LIBVIRTS_OWN


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_machine_gives_the_same_bytes(name: str) -> None:
    assert domain_stylesheet(SAMPLES[name]) == domain_stylesheet(SAMPLES[name])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_transformed_domain_holds_every_declared_setting(name: str, way: str) -> None:
    assert differing(SAMPLES[name], domain(SAMPLES[name], way)) == set()


@pytest.mark.parametrize("name", SAMPLES)
def test_two_xslt_engines_agree(name: str) -> None:
    document, sheet = provider_document(SAMPLES[name]), domain_stylesheet(SAMPLES[name])
    by_lxml = etree.XSLT(etree.fromstring(sheet.encode()))(etree.fromstring(document.encode()))
    assert canonical(str(by_lxml)) == canonical(xsltproc(sheet, document))


def canonical(text: str) -> str:
    return ElementTree.canonicalize(text, strip_text=True)


def test_the_table_of_changes_has_every_field_of_a_profile() -> None:
    assert CHANGES.keys() == Profile.model_fields.keys()


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_changes_the_domain_and_is_seen_by_verify(field: str) -> None:
    before, after = machine(), machine(**{field: CHANGES[field]})
    assert getattr(PROFILES["balanced"], field) != CHANGES[field]
    assert canonical(domain_xml(before)) != canonical(domain_xml(after))
    assert differing(after, domain(before)) != set()


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"nvme_controller": "0000:65:00.0"}, "NVMe controller bus"),
        ({"pinned": True, "pinning": PINNING.model_copy(update={"cpus": (4, 5, 6, 8)})}, "vcpu 3 core"),
        ({"pinned": True, "pinning": PINNING.model_copy(update={"emulator": (0, 2)})}, "emulator cores"),
        ({"pinned": True, "pinning": PINNING.model_copy(update={"iothreads": (3,)})}, "iothread 2 cores"),
        ({"pinned": True, "pinning": PINNING.model_copy(update={"node": 1})}, "NUMA node"),
        ({"uuid": "0c2d3c53-2a1e-5d58-8a4e-d0b1d4e3f9a7"}, "uuid"),
        ({"mac": "52:54:00:00:00:01"}, "network card"),
    ],
)
def test_what_is_the_gateways_own_is_seen_by_verify(changed: dict[str, Any], what: str) -> None:
    before = machine(pinned="pinned" in changed)
    assert what in differing(machine(**changed), domain(before))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SAMPLES)
def test_no_disk_and_no_network_card_is_added_or_removed(name: str, way: str) -> None:
    before, after = ElementTree.parse(BASE / f"domain-{way}.xml"), domain(SAMPLES[name], way)
    for path in ("devices/disk", "devices/interface"):
        assert [found.get("device") for found in after.findall(path)] == [
            found.get("device") for found in before.findall(path)
        ]
    card, captured = after.find("devices/interface/source"), before.find("devices/interface/source")
    assert card is not None
    assert captured is not None
    assert card.attrib == captured.attrib


def test_disks_are_files_by_their_path_in_the_pool() -> None:
    disks = domain(machine()).findall("devices/disk")
    assert [disk.get("type") for disk in disks] == ["file", "file", "file"]
    captured = ElementTree.parse(BASE / "domain-network.xml").findall(".//source[@volume]")
    paths = [source.get("file") for disk in disks if (source := disk.find("source")) is not None]
    assert paths == [f"/srv/pool/{source.get('volume')}" for source in captured]


def test_data_volume_and_seed_carry_serials() -> None:
    disks = domain(machine()).findall("devices/disk[@device='disk']")
    assert [disk.findtext("serial") for disk in disks] == [None, "nordgate-data", "nordgate-seed"]


@pytest.mark.parametrize(("root", "drivers"), [("overlay", ["qcow2", "raw", "raw"]), ("flat", ["raw", "raw", "raw"])])
def test_disks_keep_the_format_that_the_provider_found(root: str, drivers: list[str]) -> None:
    found = domain(machine(root=root)).findall("devices/disk[@device='disk']/driver")
    assert [driver.get("type") for driver in found] == drivers


def test_the_seed_is_the_third_disk_and_read_only() -> None:
    seed = domain(machine()).findall("devices/disk")[2]
    assert seed.find("readonly") is not None
    assert seed.findtext("serial") == "nordgate-seed"
    target = seed.find("target")
    assert target is not None
    assert target.get("bus") == "virtio"


@pytest.mark.parametrize(
    ("iothreads", "mapped", "wanted"),
    [(0, False, ("(none)", "(none)")), (1, False, ("1", "1")), (2, False, ("1", "2")), (3, True, ("1,2,3", "1,2,3"))],
)
def test_io_threads_are_dealt_out_to_the_disks(iothreads: int, mapped: bool, wanted: tuple[str, str]) -> None:
    made = machine(iothreads=iothreads, iothread_mapping=mapped)
    read = {fact.what: fact.read(domain(made)) for fact in facts(made)}
    assert (read["disk 1 iothreads"], read["disk 2 iothreads"]) == wanted


def test_the_serial_console_is_logged() -> None:
    log = domain(machine()).find("devices/console/log")
    assert log is not None
    assert log.get("file") == "/logs/gw1.log"


@pytest.mark.parametrize("path", ["/a&<'\">b", "/a{b}c", "/a{{b", "/{@volume}"])
def test_values_stay_what_they_are(path: str) -> None:
    made = domain(machine(console_log=path, pool_path=path))
    log, source = made.find("devices/console/log"), made.find("devices/disk/source")
    assert log is not None
    assert source is not None
    assert log.get("file") == path
    assert source.get("file", "").startswith(f"{path}/")


@pytest.mark.parametrize(("make", "base"), [(pool_stylesheet, "pool.xml"), (network_stylesheet, "network.xml")])
def test_pools_and_networks_have_the_derived_uuid(make: Callable[[str], str], base: str) -> None:
    result = ElementTree.fromstring(xsltproc(make("u-u-i-d"), (BASE / base).read_text()))
    assert [element.text for element in result.findall("uuid")] == ["u-u-i-d"]
