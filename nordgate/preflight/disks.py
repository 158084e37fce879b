"""What a block device is, by model, vendor, transport and driver, and why it is not NVMe of its host. Pure.

A name says little: clouds show network storage as nvme0n1, hypervisors show files so, and replicated devices stand on
a local disk and wait for another host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A block device: a disk, or a layer that stands on others."""

    name: str
    number: str
    """Major and minor, as in `259:1`."""
    kind: str
    """As lsblk calls it: disk, part, lvm, raid1, crypt, mpath, loop."""
    transport: str
    rotational: bool
    model: str
    below: tuple[str, ...]
    """Kernel names of what it stands on; empty for a disk."""
    fabrics: frozenset[str] = frozenset()
    """How each controller of an NVMe disk is attached: pcie, tcp, rdma, fc, loop."""
    vendor: str = ""
    """The PCI vendor of an NVMe disk's controller, such as `0x144d`."""


_LOCAL_FABRICS = ("pcie", "apple-nvme")

_MODELS = (
    (r"Amazon Elastic Block Store", "Amazon EBS, storage on the network"),
    (r"nvme_card-pd", "a Google Persistent Disk or Hyperdisk, storage on the network"),
    (r"MSFT NVMe Accelerator", "an Azure managed disk, storage on the network"),
    (r"Alibaba Cloud Elastic Block Storage", "an Alibaba Cloud disk, storage on the network"),
    (r"SNAP", "made by a network card (NVMe SNAP), in front of storage on the network"),
    (r"QEMU NVMe|VMware Virtual NVMe|ORCL-VBOX-NVME|Parallels", "emulated: this host is itself a virtual machine"),
)
"""What shows as NVMe on PCI Express and is no disk in the host, by its model."""

_LOCAL_MODELS = re.compile(r"Amazon EC2 NVMe Instance Storage|nvme_card\d*$|Microsoft NVMe Direct Disk")
"""Disks in the machine that a cloud's vendor puts its own number on."""

_VENDORS = {
    "0x1d0f": "Amazon's, which puts its network storage and its disks behind it",
    "0x1ae0": "Google's, which puts its network storage and its disks behind it",
    "0x1414": "Microsoft's, which puts its network storage and its disks behind it",
    "0x1ded": "Alibaba's, which puts its network storage and its disks behind it",
    "0x15b3": "a network card's (NVIDIA Mellanox), in front of storage on the network",
    "0x1dd8": "a network card's (AMD Pensando), in front of storage on the network",
    "0x1b36": "QEMU's: this host is itself a virtual machine",
    "0x15ad": "VMware's: this host is itself a virtual machine",
    "0x80ee": "VirtualBox's: this host is itself a virtual machine",
}
"""PCI vendors whose NVMe controllers are not, or not always, disks in the host."""

_DRIVERS = (
    (r"drbd\d", "a DRBD device: each write waits for another host, or may"),
    (r"rbd\d", "a Ceph RBD image, storage on the network"),
    (r"nbd\d", "a network block device (NBD)"),
    (r"scini", "a PowerFlex volume, storage on the network"),
    (r"zd\d", "a ZFS volume: the kernel does not tell which disks its pool has"),
    (r"zram\d|ram\d", "memory"),
)
"""By the name that its driver alone gives, whatever it stands on."""

_NETWORK = {
    "iscsi": "an iSCSI disk",
    "fc": "a Fibre Channel disk",
    "fcoe": "a Fibre Channel disk",
    "srp": "an SRP disk",
}


def shown(disk: Device) -> str:
    """`nvme0n1 (nvme, SAMSUNG MZQL2)`."""
    return f"{disk.name} ({', '.join(filter(None, [disk.transport or 'unknown transport', disk.model]))})"


def layer_objection(name: str, layer: Device) -> str | None:
    """Why nothing that stands on the layer, or on the disk, is on this host alone; `name` is the kernel's."""
    return next((f"{layer.name} is {what}" for pattern, what in _DRIVERS if re.match(pattern, name)), None)


def disk_objection(name: str, disk: Device) -> str | None:
    """Why a disk is not NVMe of this host; None when it is."""
    if driver := layer_objection(name, disk):
        return driver
    if disk.kind == "loop":
        return f"{disk.name} is a loop device, a file"
    if disk.transport == "virtio":
        return f"{disk.name} is a virtio disk: this host is itself a virtual machine"
    if disk.transport in _NETWORK:
        return f"{disk.name} is {_NETWORK[disk.transport]}, storage on the network"
    if disk.transport != "nvme":
        words = ["a", *(["rotating"] if disk.rotational else []), *([disk.transport] if disk.transport else []), "disk"]
        return f"{disk.name} is {' '.join(words)}, not NVMe"
    if disk.rotational:
        return f"{disk.name} rotates"
    return _nvme_objection(disk)


def _nvme_objection(disk: Device) -> str | None:
    if far := sorted(disk.fabrics.difference(_LOCAL_FABRICS)):
        return f"{disk.name} is NVMe over {' and '.join(far)}, not a disk of this host"
    for pattern, what in _MODELS:
        if re.search(pattern, disk.model, re.IGNORECASE):
            return f'{disk.name} ("{disk.model}") is {what}'
    if disk.vendor in _VENDORS and not _LOCAL_MODELS.match(disk.model):
        return f'{disk.name} ("{disk.model}") has a controller of {disk.vendor}, {_VENDORS[disk.vendor]}'
    if not disk.fabrics:
        return f"{disk.name} does not tell how it is attached (/sys/block/{disk.name}/device/transport)"
    if not disk.model:
        return f"{disk.name} tells no model, so that nothing says whose it is"
    return None
