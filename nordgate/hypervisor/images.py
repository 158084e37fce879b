"""Images: sent to a host once, whole or not at all.

The provider keeps a volume whose upload broke off, and can neither go on with it nor make it again.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from nordgate.errors import NordgateError
from nordgate.hypervisor.pools import Volume, bytes_of, delete
from nordgate.hypervisor.virsh import Hypervisor

_SLOWEST = 25_000
"""Bytes per second: what is slower than 0.2 Mbit/s has got stuck."""


class Image(Volume):
    """The volume's name says what is in it; `file` is what it is made of, on this machine."""

    file: str


def store(image: Image) -> str:
    """See to it that the volume is there; its path on the host. Raises HypervisorError, with nothing left half made.

    One that is as long as the file is there already. A shorter one is what a killed run left, and is made again.
    """
    hypervisor, size = Hypervisor(image.uri), Path(image.file).stat().st_size
    hypervisor.refresh_pool(image.pool)
    there = bytes_of(image, "physical")
    if there != size:
        if there is not None:
            delete(image)
        print(f"{image.name}: sending {size >> 20} MiB", file=sys.stderr)
        try:
            # qcow2, so that it is as long as what has come: a raw one would be whole from the beginning.
            words = ("vol-create-as", image.pool, image.name, str(size), "--format", "qcow2")
            hypervisor.virsh(*words)
            hypervisor.virsh("vol-upload", image.name, image.file, "--pool", image.pool, timeout=60 + size / _SLOWEST)
            hypervisor.refresh_pool(image.pool)
            if (there := bytes_of(image, "physical")) != size:
                raise NordgateError(f"{image.name} has {there} bytes in pool {image.pool}, and {size} were sent.")
        except NordgateError:
            with contextlib.suppress(NordgateError):  # the first reason is the one to tell
                delete(image)
            raise
    return hypervisor.virsh("vol-path", image.name, "--pool", image.pool).strip()
