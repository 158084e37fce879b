"""The disk: a DOS partition table, a FAT partition that boots, an ext4 partition; nothing is ever mounted."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from image.recipe import Disk, Recipe
from nordgate.errors import NordgateError
from toolchain.debian_host import run

_MIB = 1 << 20
_SECTOR = 512
_BOOT_START_MIB = 1
_MBR_CODE = (Path("/usr/lib/SYSLINUX/mbr.bin"), Path("/usr/lib/syslinux/mbr/mbr.bin"))
_SYSLINUX_CFG = """\
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  LINUX /vmlinuz
  INITRD /initrd
  APPEND root=UUID={root} {options}
"""


def assemble(recipe: Recipe, tree: Path, kernel: bytes, initrd: bytes, raw: Path) -> None:
    """Make `raw`, a whole disk that holds `tree` and boots `kernel`."""
    disk = recipe.disk
    with raw.open("wb") as file:
        file.write(partition_table(disk, _mbr_code()))
        file.truncate(disk.size_mib * _MIB)
    _root_file_system(recipe, tree, raw)
    _boot_file_system(recipe, kernel, initrd, raw)


def partition_table(disk: Disk, code: bytes) -> bytes:
    """The first sector: boot code, disk id, an active FAT partition and a Linux partition for the rest."""
    if len(code) > 440:
        raise NordgateError(f"the boot code has {len(code)} bytes, but only 440 fit into the first sector.")
    root_start = _BOOT_START_MIB + disk.boot_mib
    boot = _entry(0x80, 0x0C, _BOOT_START_MIB, disk.boot_mib)
    root = _entry(0x00, 0x83, root_start, disk.size_mib - root_start)
    serial = struct.pack("<IH", int(disk.mbr_serial, 16), 0)
    return code.ljust(440, b"\0") + serial + boot + root + b"\0" * 32 + b"\x55\xaa"


def _entry(flag: int, kind: int, start_mib: int, size_mib: int) -> bytes:
    start, size = (mib * _MIB // _SECTOR for mib in (start_mib, size_mib))
    # The old cylinder addresses say "beyond what they can tell": everyone reads the sector numbers.
    return struct.pack("<B3sB3sII", flag, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start, size)


def _mbr_code() -> bytes:
    for path in _MBR_CODE:
        if path.exists():
            return path.read_bytes()
    raise NordgateError("syslinux's mbr.bin is missing; reinstall the package syslinux.")


def _root_file_system(recipe: Recipe, tree: Path, raw: Path) -> None:
    """Made by the image's own mke2fs, so that every machine bakes the same."""
    disk = recipe.disk
    start = _BOOT_START_MIB + disk.boot_mib
    # lazy_itable_init=0: a sparse file is already zero, and the guest has nothing left to initialise.
    options = f"offset={start * _MIB},hash_seed={disk.hash_seed},lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    run(
        [
            *(tree / "usr/lib64/ld-linux-x86-64.so.2", "--library-path", tree / "usr/lib/x86_64-linux-gnu"),
            *(tree / "usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-m", "1"),
            *("-U", disk.root_uuid, "-E", options, "-d", tree, raw, f"{disk.size_mib - start}M"),
        ],
        env={"MKE2FS_CONFIG": str(tree / "etc/mke2fs.conf"), "SOURCE_DATE_EPOCH": str(recipe.timestamp)},
    )


def _boot_file_system(recipe: Recipe, kernel: bytes, initrd: bytes, raw: Path) -> None:
    disk = recipe.disk
    environment = {"SOURCE_DATE_EPOCH": str(recipe.timestamp), "MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"}
    files = raw.parent / "boot"
    files.mkdir()
    (files / "vmlinuz").write_bytes(kernel)
    (files / "initrd").write_bytes(initrd)
    command_line = " ".join(recipe.kernel.command_line)
    (files / "syslinux.cfg").write_text(_SYSLINUX_CFG.format(root=disk.root_uuid, options=command_line))

    volume = raw.parent / "boot.fat"
    volume.touch()
    os.truncate(volume, disk.boot_mib * _MIB)
    options = ["--invariant", "-F", "32", "-s", "1", "-n", "BOOT", "-i", disk.boot_serial]
    run(["mkfs.vfat", *options, volume], env=environment)
    run(["syslinux", "--install", volume], env=environment)
    for file in sorted(files.iterdir()):
        os.utime(file, (recipe.timestamp, recipe.timestamp))
        run(["mcopy", "-m", "-i", volume, file, "::"], env=environment)
    with raw.open("r+b") as whole:
        whole.seek(_BOOT_START_MIB * _MIB)
        whole.write(volume.read_bytes())


def pack(raw: Path, qcow2: Path) -> None:
    """Turn the sparse raw disk into a qcow2 file."""
    run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, qcow2])
