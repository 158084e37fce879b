"""A volume in a storage pool, as far as every kind of them is the same."""

from __future__ import annotations

from typing import Literal

from nordgate.hypervisor.requests import Request
from nordgate.hypervisor.virsh import Hypervisor


class Volume(Request):
    """The volume `name` in `pool` of the libvirt at `uri`."""

    uri: str
    pool: str
    name: str


def bytes_of(volume: Volume, what: Literal["capacity", "physical"]) -> int | None:
    """In bytes, as its guest sees it or as its file is long; None when there is no such volume.

    Raises HypervisorError when libvirt cannot be asked.
    """
    found = Hypervisor(volume.uri).volume(volume.pool, volume.name)
    return None if found is None else int(found.findtext(what, "0"))


def delete(volume: Volume) -> None:
    """Delete it; nothing to do if it is gone. Raises HypervisorError."""
    if bytes_of(volume, "capacity") is not None:
        Hypervisor(volume.uri).virsh("vol-delete", volume.name, "--pool", volume.pool, timeout=120)
