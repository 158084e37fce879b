"""A guest with NVMe controllers, a virtio disk and a turning SCSI disk: a small KVM host as far as storage goes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import tempfile
import time
from pathlib import Path

from image import boot, disk, tree
from image.recipe import Recipe, load
from nordgate.errors import AgentError, HypervisorError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor

SOURCE = Path(__file__).parents[2]
_FOLDER = SOURCE / ".nordgate/tests"
_PACKAGES = (
    "linux-image-cloud-amd64 systemd-sysv udev dbus e2fsprogs busybox-static qemu-guest-agent "
    "fdisk lvm2 mdadm cryptsetup-bin btrfs-progs libvirt-daemon-driver-storage libvirt-daemon-driver-storage-logical "
    "libvirt-clients"
)


def baked() -> Path:
    """The guest's disk, baked at the first call."""
    recipe = _recipe()
    name = hashlib.sha256(json.dumps([recipe.packages, recipe.suite]).encode()).hexdigest()[:12]
    image = _FOLDER / f"storage-{name}.qcow2"
    if not image.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_FOLDER) as folder:
            _bake(recipe, Path(folder)).rename(image)
    return image


def _recipe() -> Recipe:
    recipe = load()
    return dataclasses.replace(
        recipe,
        packages=_PACKAGES.split(),
        disk=dataclasses.replace(recipe.disk, size_mib=2048),
    )


def _bake(recipe: Recipe, work: Path) -> Path:
    root, raw, packed = work / "tree", work / "disk.raw", work / "disk.qcow2"
    tree.unpack(recipe, root)
    release = boot.kernel_release(root)
    kernel = (root / f"boot/vmlinuz-{release}").read_bytes()
    initrd = boot.initrd(recipe, root)
    tree.clean(recipe, root)
    disk.assemble(recipe, root, kernel, initrd, raw)
    disk.pack(raw, packed)
    return packed


_DOMAIN = """\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>storage-probe</name>
  <memory unit='MiB'>768</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe'/><source file='{folder}/root.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/><source file='{folder}/virtio.raw'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <controller type='scsi' model='virtio-scsi'/>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/><source file='{folder}/scsi.raw'/>
      <target dev='sda' bus='scsi' rotation_rate='7200'/>
    </disk>
    <serial type='file'><source path='{folder}/console.log'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
{nvme}
  </qemu:commandline>
</domain>
"""
_NVME = """\
    <qemu:arg value='-drive'/>
    <qemu:arg value='if=none,id=n{number},format=raw,cache=unsafe,file={folder}/nvme{number}.raw'/>
    <qemu:arg value='-device'/><qemu:arg value='nvme,drive=n{number},serial=nordgate{number},addr=0x{slot:x}'/>"""
_DISK_BYTES = 1 << 30


def started(hypervisor: Hypervisor, folder: Path, bound: float = 300) -> GuestAgent:
    """Start the guest with its disks in `folder`, and wait until its agent answers."""
    backing = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(baked())]
    subprocess.run([*backing, str(folder / "root.qcow2")], check=True)
    for name in ("virtio", "scsi", "nvme0", "nvme1"):
        with (folder / f"{name}.raw").open("wb") as file:
            file.truncate(_DISK_BYTES)
    nvme = "\n".join(_NVME.format(folder=folder, number=number, slot=0x1C + number) for number in range(2))
    (folder / "domain.xml").write_text(_DOMAIN.format(folder=folder, nvme=nvme))
    hypervisor.virsh("create", str(folder / "domain.xml"))
    agent = GuestAgent(hypervisor, "storage-probe")
    end = time.monotonic() + bound
    while True:
        try:
            agent.ping()
        except (AgentError, HypervisorError):
            if time.monotonic() > end:
                log = (folder / "console.log").read_text(errors="replace")
                raise AssertionError(f"no guest agent within {bound:.0f} s; the console ends: {log[-2000:]}") from None
            time.sleep(1)
        else:
            return agent
