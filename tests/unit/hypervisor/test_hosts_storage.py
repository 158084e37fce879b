"""From what lsblk, findmnt and LVM say about a host to what a pool lies on: local NVMe, or what else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nordgate.hypervisor.host_commands import HostCommands
from nordgate.preflight.gather_facts import PROBE
from nordgate.preflight.sections import split
from nordgate.preflight.storage import StorageFinding, folder_finding, group_finding

NVME: dict[str, Any] = {"tran": "nvme", "rota": False, "model": "SAMSUNG MZQL2"}


def device(
    name: str, kind: str = "disk", /, *children: dict[str, Any], number: str = "", **facts: Any
) -> dict[str, Any]:
    found = {"name": name, "kname": name, "maj:min": number or name, "type": kind, "tran": None, "rota": False}
    return found | {"model": None, "size": 1 << 40, "children": list(children)} | facts


def sections(
    *devices: dict[str, Any], fstype: str = "ext4", source: str = "", number: str = "", **more: str
) -> dict[str, str]:
    mount = {"target": "/srv", "source": source, "fstype": fstype, "maj:min": number, "avail": 5 << 30}
    nvme = [found["kname"] for found in devices if found["tran"] == "nvme" or found["kname"].startswith("nvme")]
    more.setdefault("transports", "\n".join(f"/sys/block/{name}/device/transport:pcie" for name in nvme))
    return {"lsblk": json.dumps({"blockdevices": devices}), "findmnt": json.dumps({"filesystems": [mount]}), **more}


def on(disk: dict[str, Any], /, **more: str) -> dict[str, str]:
    """A file system on that disk."""
    return sections(disk, number=disk["kname"], **more)


def nvme(model: str, vendor: str = "", fabric: str = "pcie") -> dict[str, str]:
    """A file system on a disk that shows as nvme0n1."""
    there = "/sys/block/nvme0n1/device"
    told = {"transports": f"{there}/transport:{fabric}" if fabric else "", "identities": f"{there}/model:{model}   "}
    told["identities"] += f"\n{there}/device/vendor:{vendor}" if vendor else ""
    return on(device("nvme0n1", tran="nvme", model=None), **told)


def mirror(second: dict[str, Any]) -> dict[str, str]:
    """A file system on a mirror of NVMe and another disk."""
    both = device("md0", "raid1")
    first = device("nvme0n1", "disk", both, **NVME)
    return sections(first, second | {"children": [both]}, number="md0")


LOCAL = {
    "a disk": nvme("SAMSUNG MZQL21T9HCJR-00A07", "0x144d"),
    "a disk of a vendor that nobody listed": nvme("Brand New 9000", "0xffff"),
    "a cloud's own disk on bare metal": nvme("Amazon EC2 NVMe Instance Storage", "0x1d0f"),
    "Google's local disk": nvme("nvme_card0", "0x1ae0"),
    "Azure's local disk": nvme("Microsoft NVMe Direct Disk v2", "0x1414"),
    "a mirror of two": mirror(device("nvme1n1", **NVME)),
}


@pytest.mark.parametrize("case", LOCAL)
def test_a_disk_in_the_host_is_known_by_what_it_says_of_itself(case: str) -> None:
    found = folder_finding("/srv", LOCAL[case])
    assert found.nvme, found.objections


PLAIN: dict[str, tuple[dict[str, str], str]] = {
    "tmpfs": (sections(fstype="tmpfs", source="tmpfs"), "tmpfs is memory"),
    "overlay": (sections(fstype="overlay", source="overlay"), "overlay is a container's file system"),
    "nfs": (sections(fstype="nfs4", source="filer:/export"), "filer:/export is on the network (nfs4)"),
    "zfs": (sections(fstype="zfs", source="tank/vm"), "does not tell which disks a ZFS pool has"),
    "virtio": (sections(device("vda"), number="vda"), "vda is a virtio disk: this host is itself a virtual machine"),
    "sata": (sections(device("sda", tran="sata", rota=True), number="sda"), "sda is a rotating sata disk, not NVMe"),
    "sata ssd": (sections(device("sda", tran="sata"), number="sda"), "sda is a sata disk, not NVMe"),
    "loop": (sections(device("loop0", "loop"), number="loop0"), "loop0 is a loop device, a file"),
    "zram": (sections(device("zram1"), number="zram1"), "zram1 is memory"),
    "turning nvme": (sections(device("nvme0n1", **NVME | {"rota": True}), number="nvme0n1"), "nvme0n1 rotates"),
    "fabric": (
        sections(device("nvme0n1", **NVME), number="nvme0n1", transports="/sys/block/nvme0n1/device/transport:tcp"),
        "nvme0n1 is NVMe over tcp, not a disk of this host",
    ),
    "fabric behind one of two controllers": (
        sections(
            device("nvme0n1", **NVME),
            number="nvme0n1",
            transports="/sys/block/nvme0n1/device/nvme0/transport:tcp\n/sys/block/nvme0n1/device/nvme1/transport:pcie",
        ),
        "nvme0n1 is NVMe over tcp",
    ),
    "rdma": (nvme("Linux", fabric="rdma"), "nvme0n1 is NVMe over rdma"),
    "no transport": (nvme("SAMSUNG MZQL2", fabric=""), "nvme0n1 does not tell how it is attached"),
    "no model": (nvme(""), "nvme0n1 tells no model"),
    "EBS": (
        nvme("Amazon Elastic Block Store", "0x1d0f"),
        'nvme0n1 ("Amazon Elastic Block Store") is Amazon EBS, storage on the network',
    ),
    "Google PD": (nvme("nvme_card-pd", "0x1ae0"), "is a Google Persistent Disk or Hyperdisk, storage on the network"),
    "Azure": (nvme("MSFT NVMe Accelerator v1.0", "0x1414"), "is an Azure managed disk, storage on the network"),
    "Alibaba": (nvme("Alibaba Cloud Elastic Block Storage"), "is an Alibaba Cloud disk, storage on the network"),
    "a cloud's disk of another name": (nvme("EBS Next", "0x1d0f"), "has a controller of 0x1d0f, Amazon's"),
    "a card's": (nvme("Bluefield NVMe SNAP Controller", "0x15b3"), "made by a network card (NVMe SNAP)"),
    "a card's of another name": (nvme("NVMe Emu", "0x15b3"), "a network card's (NVIDIA Mellanox)"),
    "emulated by QEMU": (nvme("QEMU NVMe Ctrl", "0x1b36"), "is emulated: this host is itself a virtual machine"),
    "emulated by VMware": (nvme("VMware Virtual NVMe Disk"), "is emulated: this host is itself a virtual machine"),
    "emulated under another name": (nvme("Fast Disk", "0x1b36"), "0x1b36, QEMU's: this host is itself a virtual"),
    "DRBD on NVMe": (
        sections(device("nvme0n1", "disk", device("drbd0"), **NVME), number="drbd0"),
        "drbd0 is a DRBD device: each write waits for another host",
    ),
    "LVM on DRBD on NVMe": (
        sections(
            device("nvme0n1", "disk", device("drbd10", "disk", device("dm-0", "lvm", name="vg-data")), **NVME),
            number="dm-0",
        ),
        "drbd10 is a DRBD device",
    ),
    "DRBD without a disk of its own": (on(device("drbd1")), "drbd1 is a DRBD device"),
    "Ceph": (on(device("rbd0")), "rbd0 is a Ceph RBD image, storage on the network"),
    "NBD": (on(device("nbd0")), "nbd0 is a network block device (NBD)"),
    "a mirror over the network": (mirror(device("nbd1")), "nbd1 is a network block device (NBD)"),
    "a mirror with a cloud's disk": (
        mirror(device("nvme1n1", tran="nvme", model="Amazon Elastic Block Store")), "is Amazon EBS",
    ),
    "iSCSI": (on(device("sda", tran="iscsi")), "sda is an iSCSI disk, storage on the network"),
    "Fibre Channel": (on(device("sda", tran="fc")), "sda is a Fibre Channel disk, storage on the network"),
    "ZFS volume": (on(device("zd16")), "zd16 is a ZFS volume"),
    "Lustre": (sections(fstype="lustre", source="mgs@tcp:/fs"), "mgs@tcp:/fs is on the network (lustre)"),
    "unknown": (sections(source="/dev/root", number="0:1"), "/dev/root is no block device that lsblk knows"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN)
def test_what_is_not_local_nvme_is_named_as_what_it_is_and_refused(case: str) -> None:
    text, why = PLAIN[case]
    found = folder_finding("/srv", text)
    assert not found.nvme
    assert why in "; ".join(found.objections)


def test_nvme_is_nvme_and_its_free_space_is_told() -> None:
    found = folder_finding("/srv", sections(device("nvme0n1", **NVME), number="nvme0n1"))
    assert found.nvme
    assert found.free == 5 << 30
    assert str(found) == "ext4 at /srv on nvme0n1 (nvme, SAMSUNG MZQL2)"


def layered(second: dict[str, Any]) -> StorageFinding:
    """ext4 on dm-crypt on LVM over an NVMe partition and a second disk."""
    top = device("dm-1", "crypt", name="secret")
    volume = device("dm-0", "lvm", top, name="vg-data")
    first = device("nvme0n1", "disk", device("nvme0n1p1", "part", volume), **NVME)
    return folder_finding("/srv", sections(first, second | {"children": [volume]}, number="dm-1"))


def test_every_layer_down_to_the_disks_is_shown() -> None:
    found = layered(device("nvme1n1", **NVME))
    assert found.nvme
    assert found.chain == ("ext4 at /srv", "secret (crypt)", "vg-data (lvm)", "nvme0n1p1 (part)")
    assert len(found.disks) == 2


def test_one_disk_that_is_not_nvme_is_enough_to_refuse_and_is_named() -> None:
    found = layered(device("sdb", tran="sas", rota=True, model="ST4000"))
    assert found.objections == ("sdb is a rotating sas disk, not NVMe",)


@given(
    disks=st.lists(st.booleans(), min_size=1, max_size=4),
    layers=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=6),
)
def test_a_place_is_nvme_exactly_when_every_disk_that_it_reaches_is(disks: list[bool], layers: list[list[int]]) -> None:
    """Layers upon layers: each new device stands on any of those made before; the file system is on the last."""
    made = [device(f"disk{i}", **(NVME if nvme else {"tran": "sata"})) for i, nvme in enumerate(disks)]
    reached = [{i} for i in range(len(disks))]
    for number, choices in enumerate(layers):
        below = {choice % len(made) for choice in choices}
        new = device(f"dm-{number}", "lvm")
        for one in below:
            made[one]["children"].append(new)
        made.append(new)
        reached.append(set().union(*(reached[one] for one in below)))
    found = folder_finding("/srv", sections(*made[: len(disks)], number=made[-1]["kname"]))
    assert found.nvme == all(disks[disk] for disk in reached[-1])
    assert len(found.disks) == len(reached[-1])


def test_every_device_of_a_btrfs_counts() -> None:
    text = sections(
        device("nvme0n1", **NVME), device("sda", tran="sata"),
        fstype="btrfs", source="/dev/nvme0n1[/vm]", number="0:30",
        btrfs="/sys/fs/btrfs/0e/devices/nvme9n1\n/sys/fs/btrfs/1f/devices/nvme0n1\n/sys/fs/btrfs/1f/devices/sda",
    )  # fmt: skip
    assert folder_finding("/srv", text).objections == ("sda is a sata disk, not NVMe",)


def test_older_lsblk_says_numbers_as_text() -> None:
    found = folder_finding("/srv", sections(device("nvme0n1", **NVME | {"rota": "0", "tran": None}), number="nvme0n1"))
    assert found.nvme


def group(*paths: str) -> str:
    return json.dumps({"report": [{"vg": [{"vg_name": "fast", "vg_free": "4096", "pv_name": path} for path in paths]}]})


def test_a_volume_group_lies_on_all_of_its_physical_volumes() -> None:
    text = sections(device("nvme0n1", "disk", device("nvme0n1p2", "part"), **NVME), device("sdb", tran="sata"))
    good = group_finding("fast", text | {"vgs": group("/dev/nvme0n1p2")})
    assert good.nvme
    assert good.free == 4096
    bad = group_finding("fast", text | {"vgs": group("/dev/nvme0n1p2", "/dev/sdb")})
    assert bad.objections == ("sdb is a sata disk, not NVMe",)


def test_a_volume_group_with_a_missing_disk_is_refused() -> None:
    found = group_finding("fast", sections(device("nvme0n1", **NVME)) | {"vgs": group("/dev/nvme0n1", "[unknown]")})
    assert not found.nvme
    assert "missing" in found.objections[0]


@pytest.mark.parametrize("vgs", ["", '{"report": [{"vg": []}]}'])
def test_a_volume_group_that_is_not_there_says_how_to_look(vgs: str) -> None:
    with pytest.raises(ValueError, match="sudo -n vgs fast"):
        group_finding("fast", {"vgs": vgs})


def test_the_probe_passes_shellcheck() -> None:
    done = subprocess.run(["shellcheck", "--shell=sh", str(PROBE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_probe_changes_nothing_and_answers_about_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    wanted = tmp_path / "not" / "there"
    said = HostCommands("qemu:///system").run(["sh", "-s", "--", str(wanted), "-", "oslo"], PROBE.read_text())
    assert folder_finding(str(wanted), split(said)).free
    assert list(tmp_path.iterdir()) == []


def test_the_probe_lists_what_lies_in_the_folder_under_the_stacks_name(tmp_path: Path) -> None:
    (tmp_path / "oslo-gw1-data.raw").touch()
    (tmp_path / "london-gw1-data.raw").touch()
    said = HostCommands("qemu:///system").run(["sh", "-s", "--", str(tmp_path), "-", "oslo"], PROBE.read_text())
    assert split(said)["files"] == str(tmp_path / "oslo-gw1-data.raw")
