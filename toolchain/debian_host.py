"""The machine that bakes: its tools, its Debian mirror, and how a tool is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nordgate.console import duration, phase
from nordgate.errors import NordgateError
from toolchain.tool_messages import ENGLISH, Said

# Command -> Debian package. None of these packages starts a service.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "syslinux": "syslinux",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SPACE_MIB = 2048
_BOUND = 3600.0
"""Seconds for any tool: the longest installs an image's packages, in a minute."""
# Settings of the machine's apt that decide whether a mirror can be reached, and whether its dates are believed.
_APT_SETTINGS = ("Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until", "Acquire::Check-Date")


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
    """Run a tool and return what it printed. The tool dies with us; a failure is a `NordgateError`."""
    words = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
    environment = {**ENGLISH, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", **(env or {})}
    try:
        done = subprocess.run(
            words, env=environment, input=stdin, text=True, errors="replace", capture_output=True, timeout=_BOUND
        )
    except subprocess.TimeoutExpired:
        raise NordgateError(
            f"{words[3]} did not end within {duration(_BOUND)}: is the package mirror there, but silent?"
        ) from None
    if done.returncode == 0:
        return done.stdout
    output = (done.stdout + done.stderr).strip()
    if Said.DISK_FULL.within(output):
        raise NordgateError("the disk is full; free some space and bake again.")
    tail = "\n    ".join(output.splitlines()[-12:])
    raise NordgateError(f"{words[3]} failed with code {done.returncode}; its last words:\n    {tail}")


def run_apart(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """`run` in mount and process namespaces of its own, so that a killed bake leaves no mount and no process."""
    return run(["unshare", "--mount", "--pid", "--fork", "--kill-child", *command], env=env)


def prepare(folder: Path) -> None:
    """See to it that a bake can work here, or say what is missing."""
    if os.geteuid() != 0:
        raise NordgateError("baking the image needs root: run it again as root or with sudo.")
    free = shutil.disk_usage(folder).free >> 20
    if free < _SPACE_MIB:
        raise NordgateError(
            f"baking the image needs {_SPACE_MIB} MiB of free disk space under {folder}, there are {free}."
        )
    search = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = {package for tool, package in TOOLS.items() if not shutil.which(tool, path=search)}
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    if missing:
        _install(sorted(missing))


def _install(packages: list[str]) -> None:
    by_hand = f"install them by hand: {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise NordgateError(f"tools that bake the image are missing and there is no apt-get; {by_hand}.")
    with phase(f"Install {', '.join(packages)}"):
        settings = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        try:
            run(install, env=settings)
        except NordgateError:
            run(["apt-get", "update"], env=settings)
            run(install, env=settings)


def apt_settings() -> list[str]:
    """The machine's proxy and date settings, for the apt that fills the image; none of them stays in it."""
    dump = run(["apt-config", "dump"]).splitlines() if shutil.which("apt-config") else []
    return [line for line in dump if line.startswith(_APT_SETTINGS) and not line.endswith('"";')]


def debian_sources(suite: str) -> list[str]:
    """Source lines of `suite` from the mirrors this machine's apt uses; none if it knows no Debian mirror."""
    if not shutil.which("apt-get"):
        return []
    ask = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    found = run(ask)
    if not found:
        # Whose a mirror is, apt knows only after it has fetched its lists.
        with suppress(NordgateError):
            run(["apt-get", "update"])
            found = run(ask)
    return sources_from(found, suite)


def sources_from(targets: str, suite: str) -> list[str]:
    """Turn lines `LABEL URI` of apt's index targets into source lines of `suite`."""
    mirrors = dict(line.split(maxsplit=1) for line in reversed(targets.splitlines()) if " " in line)
    archive, security = mirrors.get("Debian"), mirrors.get("Debian-Security")
    if not archive:
        return []
    lines = [f"deb {archive} {suite} main", f"deb {archive} {suite}-updates main"]
    if security:
        lines.append(f"deb {security} {suite}-security main")
    return lines
