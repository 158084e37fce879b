"""Unpacks the schemas of a newer libvirt than the machine's, for settings that the machine's does not know yet.

    python3 -m toolchain.libvirt_schemas

Nothing is installed and nothing starts.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from nordgate.console import phase, run_tool
from toolchain.debian_host import prepare
from toolchain.distribution_nginx import CHECKOUT, unpack
from toolchain.locks import hold

SUITE = "trixie"
PACKAGES = ("libvirt-common",)
FOLDER = CHECKOUT / ".nordgate" / "libvirt"


def domain_schema() -> Path:
    """domain.rng of Debian 13's libvirt, unpacked if it is not there. Safe to call from several processes."""
    root = FOLDER / SUITE
    schema = root / "usr/share/libvirt/schemas/domain.rng"
    done = FOLDER / f"{SUITE}.packages"
    wanted = " ".join(PACKAGES) + "\n"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{SUITE}.lock").open("w") as lock:
        hold(lock, "another run that unpacks libvirt's schemas")
        if not (done.exists() and done.read_text() == wanted and schema.exists()):
            shutil.rmtree(root, ignore_errors=True)
            prepare(FOLDER)
            with phase(f"Unpack libvirt's schemas of Debian {SUITE}", usually="20 s"):
                unpack(SUITE, PACKAGES, root)
            done.write_text(wanted)
    return schema


def main() -> int:
    """Unpack the schemas, and print where that of domains lies."""
    print(domain_schema())
    return 0


if __name__ == "__main__":
    run_tool(main)
