"""What the image is made of, and the name that follows from it."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).parent
RECIPE = HERE / "recipe"


@dataclass(frozen=True)
class Disk:
    """Layout of the disk. The identifiers are fixed, so that two bakes are the same."""

    size_mib: int
    boot_mib: int
    root_uuid: str
    hash_seed: str
    boot_serial: str
    mbr_serial: str


@dataclass(frozen=True)
class Kernel:
    """How the kernel is started, and the drivers that may be needed to see the root disk."""

    command_line: list[str]
    first_modules: list[str]
    beside_modules: list[str]
    fallback_modules: list[str]


@dataclass(frozen=True)
class Recipe:
    """`recipe/recipe.toml`, read; `folder` holds it and the files that go into the image."""

    folder: Path
    suite: str
    epoch: datetime
    packages: list[str]
    excluded_paths: list[str]
    included_paths: list[str]
    disk: Disk
    kernel: Kernel

    @property
    def timestamp(self) -> int:
        """`epoch` as tools want it."""
        return int(self.epoch.timestamp())


def load(folder: Path = RECIPE) -> Recipe:
    """Read the recipe in `folder`."""
    raw = tomllib.loads((folder / "recipe.toml").read_text())
    disk, kernel = Disk(**raw.pop("disk")), Kernel(**raw.pop("kernel"))
    return Recipe(folder=folder, disk=disk, kernel=kernel, **raw)


def digest(*folders: Path) -> str:
    """Hash of everything that decides what is baked: names, contents and executable bits.

    The code of the bake counts as well: a change of it may change the image.
    """
    total = hashlib.sha256()
    for folder in folders or (HERE,):
        for path in sorted(folder.rglob("*")):
            if path.is_dir() or "__pycache__" in path.parts:
                continue
            executable = bool(path.lstat().st_mode & 0o100)
            content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            head = f"{path.relative_to(folder)}\0{executable}\0{len(content)}\0"
            total.update(head.encode() + content)
    return total.hexdigest()
