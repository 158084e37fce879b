"""apt, so that nothing which gets installed starts: neither now nor with the machine."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nordgate.errors import NordgateError
from toolchain.tool_messages import Said
from toolchain.work import run

_POLICY = Path("/usr/sbin/policy-rc.d")
_OURS = "#!/bin/sh\n# nordgate, while it installs packages: no service may start.\nexit 101\n"
_UNITS = Path("/etc/systemd/system")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
_DPKG = ("-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=300")


def candidates(names: Iterable[str]) -> set[str]:
    """Which of the packages this release has. It may know of none before `update`."""
    policy = run("Asking apt", ["apt-cache", "policy", *names], env=_QUIET)
    return set(re.findall(r"^(\S+):\n.*\n  Candidate: (?!\(none\))", policy, re.MULTILINE))


def update() -> None:
    """Fetch the lists of packages."""
    run("apt-get update", ["apt-get", "update", "-q"], env=_QUIET)


def install(names: list[str], lock: int) -> None:
    """Install packages; `lock` stays held until dpkg is done, so that it never meets a second run."""
    command = ["apt-get", "install", "-q", "--yes", "--fix-broken", "--no-install-recommends", *_DPKG, *names]
    with _nothing_starts():
        try:
            run("apt-get install", command, env=_QUIET, lock=lock)
        except NordgateError as problem:
            if not Said.DPKG_INTERRUPTED.within(problem):
                raise
            run("dpkg --configure -a", ["dpkg", "--configure", "-a", "--force-confold"], env=_QUIET, lock=lock)
            run("apt-get install", command, env=_QUIET, lock=lock)


def unpack(names: list[str], folder: Path) -> None:
    """Lay the files of packages into `folder`, without installing them or what they depend on."""
    download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *names]
    run("apt-get download", download, env=_QUIET, cwd=folder)
    for archive in folder.glob("*.deb"):
        run("dpkg-deb", ["dpkg-deb", "--extract", archive, folder])
        archive.unlink()


def clean() -> None:
    """Remove the policy that a killed run may have left."""
    with contextlib.suppress(FileNotFoundError):
        if _POLICY.read_text() == _OURS:
            _POLICY.unlink()


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    enabled = _enabled()
    # A machine that has a policy of its own keeps it.
    with contextlib.suppress(FileExistsError), _POLICY.open("x") as policy:
        policy.write(_OURS)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        for link in _enabled() - enabled:
            link.unlink()
        clean()


def _enabled() -> set[Path]:
    """The links by which systemd starts units with the machine."""
    return {link for link in _UNITS.rglob("*") if link.is_symlink()}
