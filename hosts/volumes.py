"""Data volumes: made once, taken over only when empty, grown, never shrunk, never overwritten.

The provider would adopt any volume of the same name, and its every edit replaces a volume: hence not a resource of
its own there, but these three commands.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hosts.agent import GuestAgent
from hosts.pools import Volume, bytes_of, delete
from hosts.problems import HypervisorProblem, Problem
from hosts.virsh import Hypervisor

_LOOKED_AT = 4 << 20
"""Bytes at each end: file systems, LVM, md, LUKS and partition tables all keep their signatures there."""

_GROW_FILE_SYSTEM = 'device=$(findmnt --noheadings --output SOURCE --mountpoint /srv/nordgate) && resize2fs "$device"'


class DataVolume(Volume):
    """One volume as it is declared; `domain` is the guest that it belongs to."""

    bytes: int
    domain: str


def create(volume: DataVolume) -> str:
    """Make it, fully allocated; its path on the host. Refuses a volume of that name that carries anything."""
    hypervisor = Hypervisor(volume.uri)
    hypervisor.refresh_pool(volume.pool)
    if bytes_of(volume, "capacity") is not None:
        if not _empty(hypervisor, volume):
            raise Problem(
                f"{volume.name} is in pool {volume.pool} already and carries data, and this stack does not know it: "
                'nothing was changed. See "A data volume that the stack does not know" in docs/operations.md.'
            )
        delete(volume)
    size = str(volume.bytes)
    words = ("vol-create-as", volume.pool, volume.name, size, "--format", "raw", "--allocation", size)
    hypervisor.virsh(*words, timeout=600)
    return hypervisor.virsh("vol-path", volume.name, "--pool", volume.pool).strip()


def grow(volume: DataVolume) -> str:
    """Make it as large as declared, with its file system if the guest runs; its path. Refuses to shrink it."""
    hypervisor = Hypervisor(volume.uri)
    hypervisor.refresh_pool(volume.pool)
    there = bytes_of(volume, "capacity")
    if there is None:
        raise Problem(f"{volume.name} is not in pool {volume.pool} any more: it is not made anew, for it had data.")
    path = hypervisor.virsh("vol-path", volume.name, "--pool", volume.pool).strip()
    if volume.bytes < there:
        raise Problem(
            f"{volume.name} has {there >> 20} MiB and {volume.bytes >> 20} are declared: a data volume is never "
            "shrunk. Declare the larger size again."
        )
    if volume.bytes > there:
        words = ("vol-resize", volume.name, str(volume.bytes), "--pool", volume.pool, "--allocate")
        hypervisor.virsh(*words, timeout=600)
        if _running(hypervisor, volume.domain):
            hypervisor.virsh("blockresize", volume.domain, path, f"{volume.bytes}B", timeout=60)
            done = GuestAgent(hypervisor, volume.domain).exec(["/bin/bash", "-c", _GROW_FILE_SYSTEM], timeout=300)
            if done.exit_code != 0:
                words_of_it = done.stderr.decode(errors="replace").strip()
                raise Problem(f"{volume.name} has grown, the file system on it has not: {words_of_it}")
    return path


def _empty(hypervisor: Hypervisor, volume: DataVolume) -> bool:
    size = bytes_of(volume, "capacity") or 0
    with tempfile.TemporaryDirectory(prefix="nordgate-volume-") as folder:
        for number, offset in enumerate({0, max(0, size - _LOOKED_AT)}):
            part = Path(folder) / str(number)
            words = ("vol-download", volume.name, str(part), "--pool", volume.pool)
            hypervisor.virsh(*words, "--offset", str(offset), "--length", str(_LOOKED_AT), timeout=120)
            if part.read_bytes().strip(b"\0"):
                return False
    return True


def _running(hypervisor: Hypervisor, domain: str) -> bool:
    try:
        return hypervisor.virsh("domstate", domain).strip() == "running"
    except HypervisorProblem:
        return False
