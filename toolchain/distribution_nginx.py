"""Unpacks a distribution's own nginx into a folder, so that a rendered configuration can be tried with it.

And what else reads a rendered file in a guest: chrony and nftables.

    python3 -m toolchain.distribution_nginx [SUITE ...]

Nothing is installed and nothing starts. Standard library only: it runs before the virtual environment exists.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from nordgate.console import phase, run_tool
from nordgate.errors import NordgateError
from toolchain.debian_host import KEYRING, apt_settings, debian_sources, prepare, run_apart
from toolchain.locks import hold

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / ".nordgate" / "nginx"
SUITES = ("bookworm", "trixie")
# cloud-init for the schema of its user-data, logrotate and its shell for what rotates the logs, linux-libc-dev because
# it has the kernel's version and little else, Python (which comes with cloud-init) and dnspython for what watches
# upstream servers; testssl.sh is only unpacked, as everything here.
PACKAGES = (
    *("ca-certificates", "chrony", "cloud-init", "coreutils", "dash", "linux-libc-dev", "logrotate", "netbase"),
    *("nftables", "nginx", "openssl", "python3-dnspython"),
)
EXTRA = {"trixie": ("testssl.sh", "bash", "bsdextrautils", "gawk", "grep", "procps", "sed")}

_ACCOUNTS = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
    "group": "root:x:0:\nadm:x:4:\nwww-data:x:33:\n",
}
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}


def unpacked(suite: str) -> Path:
    """The folder that holds that suite's nginx, made if it is not there. Safe to call from several processes."""
    if suite not in SUITES:
        raise NordgateError(f'"{suite}" is not one of: {", ".join(SUITES)}.')
    packages = (*PACKAGES, *EXTRA.get(suite, ()))
    root = FOLDER / suite
    done = FOLDER / f"{suite}.packages"
    wanted = " ".join(packages) + "\n"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{suite}.lock").open("w") as lock:
        hold(lock, "another run that unpacks nginx")
        if done.exists() and done.read_text() == wanted:
            return root
        done.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
        prepare(FOLDER)
        with phase(f"Unpack nginx of Debian {suite}", usually="30 s"):
            unpack(suite, packages, root)
            _complete(root)
        done.write_text(wanted)
    return root


def unpack(suite: str, packages: tuple[str, ...], root: Path) -> None:
    """Unpack the packages of a suite, with all that they depend on, into a folder; nothing is configured."""
    command = [
        *("mmdebstrap", "--mode=root", "--variant=extract", "--architectures=amd64", "--quiet"),
        *("--keyring", str(KEYRING), f"--include={','.join(packages)}"),
        '--aptopt=Apt::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        *(f"--aptopt={line}" for line in apt_settings()),
        *(suite, str(root), *debian_sources(suite)),
    ]
    run_apart(command, env={"TMPDIR": str(FOLDER)})


def _complete(root: Path) -> None:
    """What the packages' own scripts would have made, as far as nginx needs it."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("run", "proc", "root", "srv", "etc/nordgate", "usr/local"):
        (root / name).mkdir(exist_ok=True)
    if (root / "usr/bin/gawk").exists():
        (root / "usr/bin/awk").symlink_to("gawk")
    for name, text in _ACCOUNTS.items():
        (root / "etc" / name).write_text(text)
    for name, (major, minor) in _DEVICES.items():
        device = root / "dev" / name
        if not device.exists():
            os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            device.chmod(0o666)
    authorities = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(file.read_text() for file in authorities))


def main() -> int:
    """Unpack the suites that are named, or all, and print where each lies."""
    for suite in sys.argv[1:] or SUITES:
        print(unpacked(suite))
    return 0


if __name__ == "__main__":
    run_tool(main)
