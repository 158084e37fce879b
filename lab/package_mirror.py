"""The package mirror that labs serve: for each stock image, what its guests install, and no more.

The machine's own apt works out what that is, from what dpkg says is in the image, and downloads it; the index is
signed with a key that is made here and never leaves this checkout.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from nordgate.console import phase
from nordgate.errors import NordgateError
from toolchain.debian_host import KEYRING, apt_settings, debian_sources
from toolchain.locks import hold
from toolchain.paths import HOME
from toolchain.work import fingerprint, run, stamp, stamped

_HOME = HOME / "mirror"
_KEY = _HOME / "key"
_OWNER = "nordgate lab mirror"
_ARCHITECTURE = "amd64"

SERVED = _HOME / "served"
"""The folder that labs serve: one folder below it per recipe of an image."""


def public_key() -> str:
    """The armoured public key that every index is signed with; the pair is made when there is none."""
    with _alone():
        return _public_key()


def fill(recipe: str, suite: str, status: Path, packages: Sequence[str]) -> None:
    """See that guests of that image can install `packages`. `status` is dpkg's record of what is in the image."""
    product, folder = f"mirror-{recipe}", SERVED / recipe
    with _alone():
        mark = fingerprint(suite, *packages, status, _public_key(), Path(__file__))
        if folder.is_dir() and stamped(product, mark):
            return
        with phase(f"Package mirror of {recipe}", usually="5 s"), tempfile.TemporaryDirectory(dir=_HOME) as work:
            made = Path(work) / "made"
            _download(suite, status, packages, Path(work), made / "pool")
            for name in (suite, f"{suite}-updates", f"{suite}-security"):
                # All is in the suite itself; the others are there because a mirror has them.
                _index(made, name, "pool" if name == suite else None)
            SERVED.mkdir(exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
        stamp(product, mark)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    _HOME.mkdir(exist_ok=True)
    with (_HOME / ".lock").open("w") as lock:
        hold(lock, "another run that fills the package mirror")
        yield


def _public_key() -> str:
    if not _KEY.is_dir():
        with tempfile.TemporaryDirectory(dir=_HOME) as work:
            home = Path(work) / "key"
            home.mkdir(mode=0o700)
            _gpg(home, "--passphrase", "", "--quick-generate-key", _OWNER, "ed25519", "sign", "never")
            home.rename(_KEY)
    return _gpg(_KEY, "--armor", "--export")


def _gpg(home: Path, *arguments: str | Path) -> str:
    # The agent's sockets lie in its home, and the path of a socket has 107 bytes at most; a checkout's may have more.
    with tempfile.TemporaryDirectory(prefix="nordgate-") as folder:
        short = Path(folder) / "key"
        short.symlink_to(home)
        try:
            words = ["gpg", "--homedir", short, "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
            return run("Signing the package mirror", words)
        finally:
            # It would live on, and hold a folder that is about to go.
            run("Ending gpg-agent", ["gpgconf", "--homedir", short, "--kill", "gpg-agent"])


def _download(suite: str, status: Path, packages: Sequence[str], work: Path, pool: Path) -> None:
    """Let apt fetch `packages` and all that the image lacks for them, as it would inside a guest."""
    lines = debian_sources(suite)
    if not lines:
        raise NordgateError("this machine's apt knows no Debian mirror to fill the lab's from: see /etc/apt.")
    for name in (
        "etc/apt.conf.d",
        "etc/preferences.d",
        "etc/sources.list.d",
        "lists/partial",
        "cache/archives/partial",
    ):
        (work / name).mkdir(parents=True)
    # A copy: apt locks the folder that it lies in.
    shutil.copyfile(status, work / "status")
    (work / "etc/sources.list").write_text("".join(f"{line}\n" for line in lines))
    (work / "etc/apt.conf").write_text(
        "".join(f"{line}\n" for line in apt_settings()) + f'Dir::Etc "{work}/etc";\nDir::Etc::trusted "{KEYRING}";\n'
        f'Dir::State::lists "{work}/lists";\nDir::State::status "{work}/status";\nDir::Cache "{work}/cache";\n'
        f'APT::Architecture "{_ARCHITECTURE}";\nAPT::Architectures {{ "{_ARCHITECTURE}"; }};\n'
        'APT::Sandbox::User "root";\nAcquire::Languages "none";\n'
    )
    # Read before all other settings: those of the machine, for its own system, then do not count.
    environment = {"APT_CONFIG": str(work / "etc/apt.conf"), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    run("apt-get update", ["apt-get", "update", "--quiet"], env=environment)
    install = ["apt-get", "install", "--quiet", "--yes", "--download-only", *packages]
    run("apt-get install", install, env=environment)
    pool.mkdir(parents=True)
    for archive in (work / "cache/archives").glob("*.deb"):
        archive.rename(pool / archive.name)


def _index(mirror: Path, suite: str, pool: str | None) -> None:
    """Write and sign the index of one suite, of the packages in `pool`."""
    folder = mirror / "dists" / suite
    packages = folder / f"main/binary-{_ARCHITECTURE}/Packages"
    packages.parent.mkdir(parents=True)
    listing = ["apt-ftparchive", "packages", pool] if pool else ["true"]
    packages.write_text(run("apt-ftparchive", listing, cwd=mirror))
    names = {"Suite": suite, "Codename": suite, "Components": "main", "Architectures": _ARCHITECTURE}
    options = [f"--option=APT::FTPArchive::Release::{name}={value}" for name, value in names.items()]
    release = folder / "Release"
    release.write_text(run("apt-ftparchive", ["apt-ftparchive", *options, "release", folder]))
    _gpg(_KEY, "--output", folder / "InRelease", "--clearsign", release)
