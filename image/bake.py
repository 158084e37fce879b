"""The bake: from nothing to an image with its manifest, or nothing at all."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image import boot, disk, manifest, tree
from image.manifest import Manifest
from image.recipe import DEFAULT, Recipe, digest, load
from nordgate.console import phase
from nordgate.errors import NordgateError
from toolchain import debian_host
from toolchain.locks import hold

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDER = Path(".nordgate/images")
_WORK = ".bake-"
_HASH = 16
"""Digits of the content's hash in an image's name."""


def record_of(name: str) -> Path:
    """Where the manifest of the recipe `name`'s image lies, relative to the checkout."""
    return FOLDER / f"{name}.json"


def status_of(name: str) -> Path:
    """Where dpkg's record of what is installed in that image lies, relative to the checkout."""
    return FOLDER / f"{name}.status"


def ensure(name: str = DEFAULT, refresh: bool = False, checkout: Path = CHECKOUT) -> Manifest:
    """The image of the recipe as it is now, baked only when it is not there; `refresh` bakes it anyway."""
    mark = digest(name)
    record = checkout / record_of(name)
    found = manifest.read(record)
    if found and not refresh and manifest.is_current(found, mark, checkout):
        return found
    record.parent.mkdir(parents=True, exist_ok=True)
    with _alone(record.parent):
        found = manifest.read(record)
        if found and not refresh and manifest.is_current(found, mark, checkout):
            return found
        return _bake(load(name), mark, checkout)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`; under it, whatever is left of a killed bake can go."""
    with (folder / ".lock").open("w") as lock:
        hold(lock, "another bake of this checkout")
        for left in folder.glob(f"{_WORK}*"):
            shutil.rmtree(left)
        yield


def _bake(recipe: Recipe, mark: str, checkout: Path) -> Manifest:
    record = checkout / record_of(recipe.name)
    debian_host.prepare(record.parent)
    with tempfile.TemporaryDirectory(prefix=_WORK, dir=record.parent) as temporary:
        work = Path(temporary)
        root, raw, packed = work / "tree", work / "disk.raw", work / "disk.qcow2"
        try:
            with phase("Install Debian packages into the image", usually="50 s"):
                tree.unpack(recipe, root)
            with phase("Lay the recipe's files over them"):
                tree.customize(recipe, root)
                release = boot.kernel_release(root)
                kernel = boot.kernel(root)
                initrd = boot.initrd(recipe, root)
                tree.clean(recipe, root)
            with phase("Put the disk together"):
                disk.assemble(recipe, root, kernel, initrd, raw)
                disk.pack(raw, packed)
            with phase("Hash it"):
                baked = _describe(recipe.name, mark, packed, raw, root, release)
        except OSError as error:
            if error.errno == 28:
                raise NordgateError("the disk is full; free some space and bake again.") from error
            raise
        for old in record.parent.glob(f"{recipe.name}-{'[0-9a-f]' * _HASH}.qcow2"):
            if old.name != Path(baked.file).name:
                old.unlink()
        packed.replace(checkout / baked.file)
        shutil.copyfile(root / "var/lib/dpkg/status", work / "status")
        (work / "status").replace(checkout / status_of(recipe.name))
        baked.write(record)
    return baked


def _describe(name: str, recipe: str, packed: Path, raw: Path, root: Path, release: str) -> Manifest:
    with packed.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Manifest(
        file=str(FOLDER / f"{name}-{sha256[:_HASH]}.qcow2"),
        sha256=sha256,
        bytes=packed.stat().st_size,
        virtual_size=raw.stat().st_size,
        recipe=recipe,
        tree=tree.tree_hash(root),
        kernel=release,
        packages=tree.packages(root),
    )
