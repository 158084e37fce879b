"""The parts of the image bake that bake nothing."""

from __future__ import annotations

import json
import shutil
import struct
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from image import bake, manifest
from image.boot import Archive, load_order
from image.disk import partition_table
from image.manifest import Manifest
from image.recipe import DEFAULT, HERE, RECIPES, digest, load, names
from image.tree import listed
from nordgate.errors import NordgateError
from toolchain import debian_host
from toolchain.debian_host import sources_from

MODULES_DEP = """\
kernel/drivers/ata/ahci.ko.xz: kernel/drivers/ata/libata.ko.xz kernel/drivers/scsi/scsi_mod.ko.xz
kernel/drivers/ata/libata.ko.xz: kernel/drivers/scsi/scsi_mod.ko.xz
kernel/drivers/block/virtio_blk.ko.xz:
kernel/drivers/scsi/scsi_mod.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko.xz:
"""

BAKED = Manifest(
    file=".nordgate/images/debian-13-0011.qcow2",
    sha256="0011",
    bytes=4,
    virtual_size=8,
    recipe="recipe",
    tree="tree",
    kernel="6.12",
    packages={"nginx": "1.26"},
)


@pytest.fixture
def recipe_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE, tmp_path / "image", symlinks=True, ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a baked image in it."""
    image = tmp_path / BAKED.file
    image.parent.mkdir(parents=True)
    image.write_bytes(b"disk")
    replace(BAKED, recipe=digest()).write(image.parent / "debian-13.json")
    return tmp_path


def test_the_same_files_are_the_same_recipe_wherever_they_lie(recipe_copy: Path) -> None:
    assert digest(code=recipe_copy) == digest()


def test_a_changed_overlay_file_is_another_recipe(recipe_copy: Path) -> None:
    with (recipe_copy / "recipes/debian-13/root/etc/cloud/cloud.cfg").open("a") as file:
        file.write("# more\n")
    assert digest(code=recipe_copy) != digest()


def test_a_moved_overlay_file_is_another_recipe(recipe_copy: Path) -> None:
    (recipe_copy / "recipes/debian-13/root/etc/fstab").rename(recipe_copy / "recipes/debian-13/root/etc/fstab.d")
    assert digest(code=recipe_copy) != digest()


def test_an_executable_bit_is_part_of_the_recipe(recipe_copy: Path) -> None:
    (recipe_copy / "recipes/debian-13/root/etc/fstab").chmod(0o755)
    assert digest(code=recipe_copy) != digest()


def test_changed_code_of_the_bake_is_another_recipe(recipe_copy: Path) -> None:
    (recipe_copy / "disk.py").write_text("")
    assert digest(code=recipe_copy) != digest()


def test_another_recipe_changes_nothing(recipe_copy: Path) -> None:
    with (recipe_copy / "recipes/stock/recipe.toml").open("a") as file:
        file.write("# more\n")
    assert digest(code=recipe_copy) == digest()
    assert digest("debian-13-stock", recipe_copy) != digest("debian-13-stock")


def test_an_unknown_recipe_is_a_problem_that_names_the_known_ones() -> None:
    with pytest.raises(NordgateError, match="debian-12-stock, debian-13, debian-13-stock"):
        load("debian-11")


@pytest.mark.parametrize(("name", "suite"), [("debian-12-stock", "bookworm"), ("debian-13-stock", "trixie")])
def test_a_stock_image_has_nothing_of_ours(name: str, suite: str) -> None:
    recipe = load(name)
    assert recipe.suite == suite
    assert recipe.init is None, "it boots by the distribution's initrd"
    assert not {"nginx", "qemu-guest-agent", "chrony", "nftables"} & set(recipe.packages)
    assert [path for part in ("masked.txt", "skipped-rules.txt") for path in recipe.files(part)] == []
    assert not recipe.excluded_paths


def test_two_stock_images_differ_in_their_suite_and_packages_only() -> None:
    twelve, thirteen = load("debian-12-stock"), load("debian-13-stock")
    assert set(twelve.packages) < set(thirteen.packages)
    assert (twelve.disk, twelve.kernel, twelve.variant) == (thirteen.disk, thirteen.kernel, thirteen.variant)


def test_compiled_python_is_no_part_of_the_recipe(recipe_copy: Path) -> None:
    (recipe_copy / "__pycache__").mkdir()
    (recipe_copy / "__pycache__/disk.pyc").write_text("")
    assert digest(code=recipe_copy) == digest()


@pytest.mark.parametrize("name", names())
def test_a_recipe_names_no_package_twice(name: str) -> None:
    packages = load(name).packages
    assert len(packages) == len(set(packages))


@pytest.mark.parametrize("name", ["masked.txt", "skipped-rules.txt"])
def test_nothing_is_switched_off_twice(name: str) -> None:
    names = listed(RECIPES / DEFAULT / name)
    assert names
    assert len(names) == len(set(names))


def test_modules_load_after_what_they_need() -> None:
    order = [Path(path).name for path in load_order(MODULES_DEP, ["virtio_blk", "ahci"])]
    assert order == ["virtio_blk.ko.xz", "scsi_mod.ko.xz", "libata.ko.xz", "ahci.ko.xz"]


def test_a_modules_name_may_have_dashes_in_its_file() -> None:
    assert load_order(MODULES_DEP, ["crc32c_intel"]) == ["kernel/arch/x86/crypto/crc32c-intel.ko.xz"]


def test_an_unknown_module_is_a_problem_with_its_name() -> None:
    with pytest.raises(NordgateError, match="no module 'nvme'"):
        load_order(MODULES_DEP, ["nvme"])


def test_the_initial_ramdisk_is_a_cpio_archive() -> None:
    archive = Archive(timestamp=1)
    archive.add("init", 0o100755, b"#!/bin/sh\n")
    data = archive.finish()
    assert data[:6] == b"070701"
    mode, size, name_length = (int(data[at : at + 8], 16) for at in (14, 54, 94))
    assert (mode, size, name_length) == (0o100755, 10, len("init") + 1)
    assert data[110:115] == b"init\0"
    assert data[116:126] == b"#!/bin/sh\n"
    assert b"TRAILER!!!\0" in data
    assert len(data) % 4 == 0


def test_the_first_sector_boots_one_partition_and_leaves_the_rest_to_the_other() -> None:
    disk = load().disk
    sector = partition_table(disk, b"\xfa" * 440)
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    (boot_flag, boot_start, boot_size), (root_flag, root_start, root_size) = (
        struct.unpack_from("<B7xII", sector, offset) for offset in (446, 462)
    )
    assert (boot_flag, root_flag) == (0x80, 0)
    assert root_start == boot_start + boot_size
    assert (root_start + root_size) * 512 == disk.size_mib << 20


def test_boot_code_that_would_run_into_the_partition_table_is_refused() -> None:
    with pytest.raises(NordgateError, match="441 bytes"):
        partition_table(load().disk, b"\0" * 441)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("", []),
        ("Docker http://elsewhere/\n", []),
        (
            "Debian http://a/debian/\n",
            ["deb http://a/debian/ trixie main", "deb http://a/debian/ trixie-updates main"],
        ),
        (
            "Debian http://a/debian/\nDebian http://a/debian/\nDebian-Security http://b/security/\n",
            [
                "deb http://a/debian/ trixie main",
                "deb http://a/debian/ trixie-updates main",
                "deb http://b/security/ trixie-security main",
            ],
        ),
    ],
)
def test_the_machines_mirrors_serve_the_images_suite(targets: str, expected: list[str]) -> None:
    assert sources_from(targets, "trixie") == expected


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    BAKED.write(tmp_path / "debian-13.json")
    assert manifest.read(tmp_path / "debian-13.json") == BAKED


@pytest.mark.parametrize("text", ["", "{", "[]", '{"file": "x"}', json.dumps({"more": 1})])
def test_a_manifest_of_another_make_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "debian-13.json"
    path.write_text(text)
    assert manifest.read(path) is None


def test_a_baked_image_is_used_as_it_is_and_needs_no_root(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert bake.ensure(checkout=checkout).file == BAKED.file


@pytest.mark.parametrize("harm", ["missing", "cut off", "other recipe"])
def test_an_image_that_is_not_whole_or_not_current_is_baked_again(
    checkout: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = checkout / BAKED.file
    if harm == "missing":
        image.unlink()
    elif harm == "cut off":
        image.write_bytes(b"dis")
    else:
        BAKED.write(image.parent / "debian-13.json")
    baked = replace(BAKED, sha256="22")
    monkeypatch.setattr(bake, "_bake", lambda *_: baked)
    assert bake.ensure(checkout=checkout) == baked


def test_refresh_bakes_although_the_image_is_there(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baked = replace(BAKED, sha256="22")
    monkeypatch.setattr(bake, "_bake", lambda *_: baked)
    assert bake.ensure(refresh=True, checkout=checkout) == baked


def test_what_a_killed_bake_left_is_gone_after_the_next(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = checkout / ".nordgate/images/.bake-killed/tree"
    left.mkdir(parents=True)
    monkeypatch.setattr(bake, "_bake", lambda *_: BAKED)
    bake.ensure(refresh=True, checkout=checkout)
    assert not left.parent.exists()


def test_without_root_the_bake_says_so_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(NordgateError, match="needs root"):
        debian_host.prepare(tmp_path)


def test_too_little_disk_space_is_noticed_before_the_bake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 100 << 20))
    with pytest.raises(NordgateError, match="there are 100"):
        debian_host.prepare(tmp_path)


def test_a_failing_tool_is_a_problem_with_its_last_words() -> None:
    with pytest.raises(NordgateError, match=r"sh failed with code 3.*\n.*no such suite"):
        debian_host.run(["sh", "-c", "echo no such suite >&2; exit 3"])


def test_a_disk_that_fills_up_during_the_bake_is_told_in_one_sentence() -> None:
    with pytest.raises(NordgateError, match=r"^the disk is full"):
        debian_host.run(["sh", "-c", "echo 'write: No space left on device' >&2; exit 1"])
