"""What a pool's folder or a volume group really lies on: from what `lsblk` and its kin say down to the disks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from nordgate.preflight.disks import Device, disk_objection, layer_objection, shown

_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "virtiofs",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.ceph",
    "lustre",
    "beegfs",
    "gpfs",
    "afs",
)


@dataclass(frozen=True)
class StorageFinding:
    """What `place` lies on, from the top layer to the disks, and why that is not local NVMe, if it is not."""

    place: str
    chain: tuple[str, ...]
    disks: tuple[str, ...]
    free: int | None
    """In bytes; None when it could not be told."""
    objections: tuple[str, ...]
    certain: bool = True
    """False when it cannot be told what lies below: then the objection is the reason for that."""

    @property
    def nvme(self) -> bool:
        """Whether all of it is known to lie on NVMe drives of the host itself."""
        return self.certain and not self.objections

    def __str__(self) -> str:
        return " on ".join([*self.chain, *([" and ".join(self.disks)] if self.disks else [])])


def folder_finding(path: str, sections: Mapping[str, str]) -> StorageFinding:
    """What the folder `path` lies on, or will: its nearest existing parent counts.

    `sections` are those of nordgate/preflight/probe.sh. Raises ValueError when they hold no answer.
    """
    mounts = json.loads(sections.get("findmnt") or "{}").get("filesystems")
    if not mounts:
        raise ValueError(f"findmnt tells nothing about {path}")
    mount = mounts[-1]
    kind, source = str(mount["fstype"]), str(mount["source"])
    top, free = f"{kind} at {mount['target']}", _number(mount.get("avail"))

    def refused(why: str, certain: bool = True) -> StorageFinding:
        return StorageFinding(path, (top,), (), free, (why,), certain)

    if kind in _MEMORY:
        return refused(f"{kind} is memory: a restart of the host loses it")
    if kind == "overlay":
        return refused("overlay is a container's file system")
    if kind in _NETWORK:
        return refused(f"{source} is on the network ({kind})")
    if kind == "zfs":
        return refused("the kernel does not tell which disks a ZFS pool has", certain=False)
    devices = _devices(sections)
    found = _mounted(devices, source, str(mount.get("maj:min")))
    if kind == "btrfs":
        found = _btrfs_members(found, sections)
    if not found:
        return refused(f"{source} is no block device that lsblk knows", certain=False)
    return _finding(path, (top,), found, devices, free)


def group_finding(group: str, sections: Mapping[str, str]) -> StorageFinding:
    """What the volume group lies on. Raises ValueError when LVM told nothing."""
    try:
        report = json.loads(sections["vgs"])["report"][0]["vg"]
    except (KeyError, ValueError, IndexError):
        report = []
    if not report:
        raise ValueError(
            f"there is no volume group {group}, or the login may not ask LVM: try `sudo -n vgs {group}` there"
        )
    devices = _devices(sections)
    by_path = {path: name for name, device in devices.items() for path in _paths(name, device)}
    members = [by_path.get(row["pv_name"], "") for row in report]
    place, free = f"volume group {group}", _number(report[0]["vg_free"])
    if not all(members):
        return StorageFinding(
            place, ("LVM",), (), free, ("one of its physical volumes is missing, or no block device",), False
        )
    return _finding(place, ("LVM",), members, devices, free)


def _finding(
    place: str,
    top: tuple[str, ...],
    start: Iterable[str],
    devices: Mapping[str, Device],
    free: int | None,
) -> StorageFinding:
    chain, disks, layer = list(top), [], list(start)
    seen: set[str] = set()
    while layer:
        disks += [name for name in layer if not devices[name].below and name not in disks]
        upper = sorted(name for name in layer if devices[name].below and name not in seen)
        seen.update(upper)
        if upper:
            chain.append(" and ".join(f"{devices[name].name} ({devices[name].kind})" for name in upper))
        layer = list(dict.fromkeys(below for name in upper for below in devices[name].below))
    objections = [
        *(why for name in sorted(seen) if (why := layer_objection(name, devices[name]))),
        *(why for name in sorted(disks) if (why := disk_objection(name, devices[name]))),
    ]
    return StorageFinding(
        place, tuple(chain), tuple(shown(devices[name]) for name in sorted(disks)), free, tuple(objections)
    )


def _devices(sections: Mapping[str, str]) -> dict[str, Device]:
    """Every block device by kernel name. lsblk shows a device below each one that it stands on."""
    below: dict[str, list[str]] = {}
    raw: dict[str, dict[str, Any]] = {}

    def walk(nodes: Iterable[dict[str, Any]], parent: str | None) -> None:
        for node in nodes:
            name = str(node["kname"])
            raw[name] = node
            parents = below.setdefault(name, [])
            if parent and parent not in parents:
                parents.append(parent)
            walk(node.get("children", ()), name)

    walk(json.loads(sections.get("lsblk") or "{}").get("blockdevices", ()), None)
    fabrics, vendors, models = (_told(sections, what) for what in ("transport", "vendor", "model"))
    return {
        name: Device(
            name=str(node["name"]),
            number=str(node.get("maj:min")),
            kind=str(node["type"]),
            transport=_transport(name, node.get("tran")),
            rotational=node.get("rota") in (True, 1, "1"),
            model=str(node.get("model") or min(models.get(name, {""}))).strip(),
            below=tuple(below[name]),
            fabrics=frozenset(fabrics.get(name, ())),
            vendor=min(vendors.get(name, {""})),
        )
        for name, node in raw.items()
    }


def _transport(name: str, told: str | None) -> str:
    # Older ones of lsblk tell nothing about virtio.
    return told or ("virtio" if name.startswith("vd") else "nvme" if name.startswith("nvme") else "")


def _mounted(devices: Mapping[str, Device], source: str, number: str) -> list[str]:
    # btrfs has a number of its own, and says which subvolume is mounted: /dev/sda2[/data].
    path = source.partition("[")[0]
    return [name for name, device in devices.items() if device.number == number or path in _paths(name, device)]


def _paths(name: str, device: Device) -> tuple[str, ...]:
    return f"/dev/{name}", f"/dev/mapper/{device.name}", f"/dev/md/{device.name}"


def _btrfs_members(found: list[str], sections: Mapping[str, str]) -> list[str]:
    """All devices of the btrfs that one of its devices belongs to: /sys/fs/btrfs/UUID/devices/NAME."""
    members: dict[str, list[str]] = {}
    for line in sections.get("btrfs", "").splitlines():
        path = PurePosixPath(line)
        members.setdefault(path.parts[4], []).append(path.name)
    return next((names for names in members.values() if set(found) & set(names)), found)


def _told(sections: Mapping[str, str], what: str) -> dict[str, set[str]]:
    """What the kernel says of every NVMe disk's controllers, as in /sys/block/nvme0n1/device/transport:pcie."""
    found: dict[str, set[str]] = {}
    for line in f"{sections.get('transports', '')}\n{sections.get('identities', '')}".splitlines():
        path, _, value = line.partition(":")
        if path.endswith(f"/{what}"):
            found.setdefault(PurePosixPath(path).parts[3], set()).add(value.strip())
    return found


def _number(value: object) -> int | None:
    return int(str(value)) if value not in (None, "") else None
