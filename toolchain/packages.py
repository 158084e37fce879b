"""Step 1: the Debian packages that are missing, by name; nothing at all when none is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from nordgate.console import phase
from nordgate.errors import NordgateError
from toolchain import apt, contents
from toolchain.debian import INSTALLED, UNPACKED
from toolchain.paths import PACKAGES
from toolchain.work import fingerprint, needs_space, read_stamp, stamp, workshop

_UNKNOWN = "packages-not-in-this-release"
_TREE = "packages-unpacked"
_INSTALLED_MIB = 2000


def ready() -> bool:
    """Whether every package is there."""
    return not missing() and _unpacked()


def missing() -> list[str]:
    """The packages that this machine lacks."""
    if not shutil.which("dpkg-query"):
        raise NordgateError(
            "the lab needs Debian 12 or later, and there is no dpkg here; for hypervisors elsewhere use plain `pulumi`."
        )
    names = [package.name for package in INSTALLED]
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\\n", *names]
    # It also fails when it has never heard of one of the names, and that is no error here.
    told = subprocess.run(query, capture_output=True, text=True, timeout=60).stdout.split("\n")
    excused = _excused()
    return [name for name in names if f"installed {name}" not in told and name not in excused]


def check() -> None:
    """Refuse at once what could only fail later."""
    if (names := missing()) and os.geteuid() != 0:
        raise NordgateError(
            f"these packages are missing and only root can install them, so use sudo: {' '.join(names)}"
        )


def ensure(lock: int) -> None:
    """Install and unpack what is missing."""
    check()
    apt.clean()
    if names := missing():
        needs_space(Path("/var"), _INSTALLED_MIB, "installing Debian packages")
        with phase("Install Debian packages", usually="1 min"):
            apt.update()
            there = apt.candidates(names)
            unknown = {package.name for package in INSTALLED if package.newer and package.name not in there}
            if wanted := [name for name in names if name not in unknown]:
                apt.install(wanted, lock)
            stamp(_UNKNOWN, " ".join([_release(), *sorted(_excused() | unknown)]))
    if not _unpacked():
        contents.say_why(_TREE, _tree(), PACKAGES)
        names = [package.name for package in UNPACKED]
        with phase(f"Unpack {', '.join(names)}"), workshop() as folder:
            if apt.candidates(names) != set(names):
                apt.update()
            apt.unpack(names, folder)
            shutil.rmtree(PACKAGES, ignore_errors=True)
            folder.rename(PACKAGES)
            contents.keep(_TREE, _tree(), PACKAGES)


def _excused() -> set[str]:
    """The packages that this release was found not to have."""
    release, *names = read_stamp(_UNKNOWN).split() or [""]
    return set(names) if release == _release() else set()


def _unpacked() -> bool:
    return PACKAGES.is_dir() and contents.kept(_TREE, _tree(), PACKAGES)


def _tree() -> str:
    return fingerprint(_release(), *(package.name for package in UNPACKED))


def _release() -> str:
    return fingerprint(Path("/etc/os-release"))
