"""Kernel and initial ramdisk: the distribution's, or a static busybox, a script and the drivers of the root disk.

Debian's own initrd carries udev and a second systemd's worth of work; ours is through in a blink. It knows one
thing, how to find a root file system on an ordinary virtual disk, and says so when it cannot.
"""

from __future__ import annotations

import lzma
from pathlib import Path

from image.recipe import Kernel, Recipe
from nordgate.errors import NordgateError

_FOLDERS = ("bin", "dev", "proc", "sys", "root", "run", "modules")


def kernel_release(tree: Path) -> str:
    """The one kernel in `tree`."""
    found = sorted(path.name for path in (tree / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise NordgateError(f"the image should hold one kernel, but holds {len(found)}: {', '.join(found) or 'none'}.")
    return found[0]


def kernel(tree: Path) -> bytes:
    """The kernel in `tree`, as the boot loader wants it."""
    return (tree / f"boot/vmlinuz-{kernel_release(tree)}").read_bytes()


def load_order(dependencies: str, wanted: list[str]) -> list[str]:
    """Paths of the modules `wanted` and of what they need, in the order to load them, from modules.dep."""
    needs = {path: rest.split() for path, _, rest in (line.partition(":") for line in dependencies.splitlines())}
    by_name = {_module_name(path): path for path in needs}
    order: list[str] = []
    for name in wanted:
        if name not in by_name:
            raise NordgateError(f"the kernel has no module {name!r}; correct the recipe's [kernel].")
        path = by_name[name]
        # modules.dep lists what is needed last first.
        order += [each for each in (*reversed(needs[path]), path) if each not in order]
    return order


def _module_name(path: str) -> str:
    return Path(path).name.split(".")[0].replace("-", "_")


def initrd(recipe: Recipe, tree: Path) -> bytes:
    """The initial ramdisk for the kernel in `tree`: ours where the recipe has one, else the distribution's."""
    if recipe.init is None:
        return (tree / f"boot/initrd.img-{kernel_release(tree)}").read_bytes()
    return _own_initrd(recipe, recipe.init, tree)


def _own_initrd(recipe: Recipe, init: Path, tree: Path) -> bytes:
    # Not compressed: it is small, and inflating it takes time.
    modules = tree / "usr/lib/modules" / kernel_release(tree)
    dependencies = (modules / "modules.dep").read_text()
    archive = Archive(recipe.timestamp)
    for folder in _FOLDERS:
        archive.add(folder, 0o040755)
    archive.add("init", 0o100755, init.read_bytes())
    archive.add("bin/busybox", 0o100755, (tree / "usr/bin/busybox").read_bytes())
    files: dict[str, Path] = {}
    for when, names in _stages(recipe.kernel):
        order = load_order(dependencies, names)
        files |= {_module_name(path): modules / path for path in order}
        listing = "".join(f"{_module_name(path)}\n" for path in order)
        archive.add(f"modules/{when}", 0o100644, listing.encode())
    for name, path in files.items():
        archive.add(f"modules/{name}.ko", 0o100644, _plain(path))
    return archive.finish()


def _stages(kernel: Kernel) -> list[tuple[str, list[str]]]:
    return [
        ("first", kernel.first_modules),
        ("beside", kernel.beside_modules),
        ("fallback", kernel.fallback_modules),
    ]


def _plain(module: Path) -> bytes:
    content = module.read_bytes()
    return lzma.decompress(content) if module.suffix == ".xz" else content


class Archive:
    """A cpio archive in the kernel's format ("newc"), written the same way every time."""

    def __init__(self, timestamp: int) -> None:
        self._timestamp = timestamp
        self._parts: list[bytes] = []
        self._inode = 0

    def add(self, name: str, mode: int, content: bytes = b"") -> None:
        """Add a file or folder; `mode` includes the type."""
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, self._timestamp, len(content), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._parts += [_pad(head), _pad(content)]

    def finish(self) -> bytes:
        """The archive, closed."""
        self._timestamp = 0
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
