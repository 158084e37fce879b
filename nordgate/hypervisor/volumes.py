"""Data volumes: made once, taken over only when empty, grown, never shrunk, never overwritten.

The provider would adopt any volume of the same name, and its every edit replaces a volume: hence not a resource of
its own there, but these three commands.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from nordgate.errors import AgentSilentError, HypervisorError, NordgateError
from nordgate.hypervisor import power
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.domain_states import State
from nordgate.hypervisor.host_commands import HostCommands
from nordgate.hypervisor.pools import Volume, bytes_of, delete
from nordgate.hypervisor.virsh import Hypervisor

_LOOKED_AT = 4 << 20
"""Bytes at each end: file systems, LVM, md, LUKS and partition tables all keep their signatures there."""

_GROW_FILE_SYSTEM = (
    'device=$(findmnt --noheadings --output SOURCE --mountpoint /srv/nordgate) || exit 0; resize2fs "$device"'
)
"""One that is not mounted yet is grown by the boot, which does so each time right after it has mounted it."""

EXTEND = """as_root=
[ "$(id -u)" = 0 ] || as_root='sudo -n'
PATH=$PATH:/usr/sbin:/sbin exec $as_root lvextend --size "$1" "$2"
"""
"""A host's command that grows the logical volume $2 to $1."""

_ANSWERS_WITHIN = 60.0
"""Seconds that the guest agent may stay silent: the guest may just be starting."""


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
            raise NordgateError(
                f"{volume.name} is in pool {volume.pool} already and carries data, and this stack does not know it: "
                'nothing was changed. See "A data volume that the stack does not know" in docs/operations.md.'
            )
        delete(volume)
    size = str(volume.bytes)
    words = ("vol-create-as", volume.pool, volume.name, size, "--format", "raw", "--allocation", size)
    hypervisor.virsh(*words, timeout=600)
    return hypervisor.virsh("vol-path", volume.name, "--pool", volume.pool).strip()


def grow(volume: DataVolume) -> str:
    """Make it as large as declared, with its file system if the guest runs; its path. Refuses to shrink it.

    Repeatable: the guest's device and the file system are made to follow on every call, so that a run which was cut
    off between them is completed by the next. A guest that does not run grows the file system when it boots.
    """
    hypervisor = Hypervisor(volume.uri)
    hypervisor.refresh_pool(volume.pool)
    there = bytes_of(volume, "capacity")
    if there is None:
        raise NordgateError(
            f"{volume.name} is not in pool {volume.pool} any more: it is not made anew, for it had data."
        )
    path = hypervisor.virsh("vol-path", volume.name, "--pool", volume.pool).strip()
    if path.startswith("/dev/"):
        # A logical volume is larger than declared where LVM has rounded up; the program has compared what was declared.
        there = _extend(volume, path) if volume.bytes > there else there
    elif volume.bytes < there:
        raise NordgateError(
            f"{volume.name} has {there >> 20} MiB and {volume.bytes >> 20} are declared: a data volume is never "
            "shrunk. Declare the larger size again."
        )
    elif volume.bytes > there:
        words = ("vol-resize", volume.name, str(volume.bytes), "--pool", volume.pool, "--allocate")
        hypervisor.virsh(*words, timeout=600)
        there = volume.bytes
    try:
        _grow_in_guest(hypervisor, volume, path, there)
    except NordgateError as problem:
        if _live(hypervisor, volume.domain):
            raise NordgateError(
                f"{volume.name} has {there >> 20} MiB now, and the guest does not use all of it yet: {problem} "
                "Deploy again, or restart the guest (`make stop`, `make start`): both go on from here."
            ) from None
        # It has stopped meanwhile.
    return path


def _extend(volume: DataVolume, path: str) -> int:
    """Have LVM make a logical volume as large as declared, or larger by part of an extent; how large it is then.

    libvirt can make and delete such volumes and not resize them, so the host itself is asked.
    """
    words = ["sh", "-c", EXTEND, "sh", f"{volume.bytes}b", path]
    try:
        HostCommands(volume.uri).run(words, timeout=60)
    except HypervisorError as problem:
        raise NordgateError(
            f"{volume.name} is a logical volume, which libvirt cannot grow and this login may not: {problem} As root "
            f"on that host: `lvextend --size {volume.bytes}b {path}`. Then deploy again, which goes on from there."
        ) from None
    Hypervisor(volume.uri).refresh_pool(volume.pool)
    return bytes_of(volume, "capacity") or volume.bytes


def _grow_in_guest(hypervisor: Hypervisor, volume: DataVolume, path: str, size: int) -> None:
    """Have a guest that runs see the whole volume, and its file system fill it. Raises NordgateError."""
    now = _live(hypervisor, volume.domain)
    if not now:
        return
    if not now.runs:
        power.bring_back(hypervisor, volume.domain)
    hypervisor.virsh("blockresize", volume.domain, path, f"{size}B", timeout=60)
    agent, end = GuestAgent(hypervisor, volume.domain), time.monotonic() + _ANSWERS_WITHIN
    while True:
        try:
            done = agent.exec(["/bin/bash", "-c", _GROW_FILE_SYSTEM], timeout=300)
            break
        except AgentSilentError:
            if time.monotonic() > end:
                raise
            time.sleep(1)
    if done.exit_code != 0:
        raise NordgateError(done.stderr.decode(errors="replace").strip())


def _live(hypervisor: Hypervisor, domain: str) -> State | None:
    """The state of a domain that has an emulator with a guest in it; None where the next one begins with a boot."""
    now = power.state(hypervisor, domain)
    return None if now is None or now.remedy in ("start", "destroy") else now


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
