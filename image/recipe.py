"""What an image is made of, and the hash that follows from it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nordgate.errors import NordgateError

HERE = Path(__file__).parent
RECIPES = HERE / "recipes"
DEFAULT = "debian-13"
"""The recipe of the image that gateways are best served by."""

_TOLD = "recipe.toml"


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
    """How the kernel is started, and the drivers that an initrd of our own may need to see the root disk."""

    command_line: list[str]
    first_modules: list[str] = field(default_factory=list)
    beside_modules: list[str] = field(default_factory=list)
    fallback_modules: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recipe:
    """The recipe `name`, read. `folders` hold its files: what it shares with others first, its own last."""

    name: str
    folders: tuple[Path, ...]
    suite: str
    epoch: datetime
    packages: list[str]
    disk: Disk
    kernel: Kernel
    variant: str = "apt"
    """What mmdebstrap starts from: `apt` is the least that can install more, `minbase` what debootstrap calls so."""
    excluded_paths: list[str] = field(default_factory=list)
    included_paths: list[str] = field(default_factory=list)

    @property
    def timestamp(self) -> int:
        """`epoch` as tools want it."""
        return int(self.epoch.timestamp())

    @property
    def init(self) -> Path | None:
        """The first program of an initrd of our own; without one, the distribution's initrd boots the image."""
        return next(self.files("init"), None)

    def files(self, name: str) -> Iterator[Path]:
        """The file or folder `name` of each of the folders that has it."""
        return (folder / name for folder in self.folders if (folder / name).exists())


def names() -> list[str]:
    """The recipes that can be baked: folders that say which suite they are of."""
    return sorted(path.parent.name for path in RECIPES.glob(f"*/{_TOLD}") if "suite" in _told(path.parent))


def load(name: str = DEFAULT) -> Recipe:
    """Read the recipe `name` and, where it is `like` another, what it shares with it.

    Lists are added to the shared ones; everything else replaces what was shared.
    """
    if name not in names():
        raise NordgateError(f'"{name}" is no recipe of an image; there are: {", ".join(names())}.')
    told = _told(RECIPES / name)
    folders = [RECIPES / name]
    if like := told.pop("like", None):
        folders.insert(0, RECIPES / like)
        shared = _told(RECIPES / like)
        told = shared | {
            key: shared.get(key, []) + value if isinstance(value, list) else value for key, value in told.items()
        }
    disk, kernel = Disk(**told.pop("disk")), Kernel(**told.pop("kernel"))
    return Recipe(name=name, folders=tuple(folders), disk=disk, kernel=kernel, **told)


def _told(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / _TOLD).read_text())


def digest(name: str = DEFAULT, code: Path = HERE) -> str:
    """Hash of everything that decides what is baked: names, contents and executable bits.

    The code of the bake counts as well: a change of it may change the image. Other recipes do not.
    """
    total = hashlib.sha256()
    folders = [code / "recipes" / folder.name for folder in load(name).folders]
    for path in sorted([*code.glob("*.py"), *(path for folder in folders for path in folder.rglob("*"))]):
        if path.is_dir() and not path.is_symlink():
            continue
        executable = bool(path.lstat().st_mode & 0o100)
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        head = f"{path.relative_to(code)}\0{executable}\0{len(content)}\0"
        total.update(head.encode() + content)
    return total.hexdigest()
