"""The image's file tree: packages, our files, and nothing that differs from one bake to the next."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

from image.recipe import Recipe
from toolchain.debian_host import KEYRING, apt_settings, debian_sources, run, run_apart

# What packages leave behind that is stale, random or only a log of the bake.
_REMOVED = (
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/.pwd.lock",
    "var/cache/ldconfig/aux-cache",
    "var/lib/systemd/random-seed",
)
_EMPTIED = ("run", "tmp", "var/cache/apt", "var/cache/debconf", "var/lib/apt/lists", "var/log", "var/tmp")


def unpack(recipe: Recipe, tree: Path) -> None:
    """Install the packages of the recipe into `tree`, without what they only recommend."""
    command = [
        *("mmdebstrap", "--mode=root", f"--variant={recipe.variant}", "--architectures=amd64", "--quiet"),
        *("--keyring", str(KEYRING), f"--include={','.join(recipe.packages)}"),
        '--aptopt=Apt::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        *(f"--aptopt={line}" for line in apt_settings()),
        *(f"--dpkgopt=path-exclude={path}" for path in recipe.excluded_paths),
        *(f"--dpkgopt=path-include={path}" for path in recipe.included_paths),
        *(recipe.suite, str(tree), *debian_sources(recipe.suite)),
    ]
    run_apart(command, env={"SOURCE_DATE_EPOCH": str(recipe.timestamp), "TMPDIR": str(tree.parent)})


def customize(recipe: Recipe, tree: Path) -> None:
    """Lay our files over the packages' and run the recipe's script in the new system."""
    for overlay in recipe.files("root"):
        shutil.copytree(overlay, tree, symlinks=True, dirs_exist_ok=True)
    for path in recipe.files("masked.txt"):
        for name in listed(path):
            _nothing(tree / "etc/systemd" / name)
    for path in recipe.files("skipped-rules.txt"):
        for name in listed(path):
            _nothing(tree / "etc/udev/rules.d" / name)
    environment = {
        "SOURCE_DATE_EPOCH": str(recipe.timestamp),
        "SYSTEMD_OFFLINE": "1",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    for path in recipe.files("customize.sh"):
        script = Path(shutil.copy(path, tree))
        run_apart(["chroot", tree, "sh", "/customize.sh"], env=environment)
        script.unlink()


def listed(path: Path) -> list[str]:
    """Lines of a recipe file, without comments."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _nothing(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/null")


def packages(tree: Path) -> dict[str, str]:
    """Name and version of every package in `tree`."""
    lines = run(["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "--show", "--showformat=${Package} ${Version}\\n"])
    return dict(line.split() for line in sorted(lines.splitlines()))


def clean(recipe: Recipe, tree: Path) -> None:
    """Remove what a bake leaves behind and make every time stamp at most the recipe's."""
    for name in _REMOVED:
        (tree / name).unlink(missing_ok=True)
    # What boots with an initrd of ours never looks there.
    for name in (*_EMPTIED, *(["boot"] if recipe.init else [])):
        empty(tree / name)
    for folder, folders, files in os.walk(tree, topdown=False):
        for name in [*files, *folders]:
            _limit_age(Path(folder, name), recipe.timestamp)
    _limit_age(tree, recipe.timestamp)


def empty(folder: Path) -> None:
    """Remove every file below `folder`; folders that programs expect (/var/log/nginx) stay."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            path.unlink()


def _limit_age(path: Path, newest: int) -> None:
    age = min(int(path.lstat().st_mtime), newest)
    os.utime(path, (age, age), follow_symlinks=False)


def tree_hash(tree: Path) -> str:
    """Hash of names, owners, modes, times and contents: equal for two bakes of the same packages and recipe."""
    total = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        facts = path.lstat()
        if path.is_symlink():
            content = str(path.readlink())
        elif stat.S_ISREG(facts.st_mode):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            content = str(facts.st_rdev)
        mtime = int(facts.st_mtime)
        row = f"{path.relative_to(tree)}\0{facts.st_mode:o}\0{facts.st_uid}:{facts.st_gid}\0{mtime}\0{content}\n"
        total.update(row.encode(errors="surrogateescape"))
    return total.hexdigest()
