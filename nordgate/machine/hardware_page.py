"""docs/hardware.md, out of the types: what each field does is said once, where it is declared."""

from __future__ import annotations

from pydantic import BaseModel

from nordgate.machine.machine import Pinning
from nordgate.machine.profile import PROFILES, Profile
from nordgate.machine.requirements import every_requirement

_HEAD = """\
<!-- Made by `python -m nordgate.machine > docs/hardware.md`; a test fails when it is stale. -->
# Hardware profiles

| profile | for |
|---|---|
| `portable` | test stacks, anywhere that QEMU runs: an emulated processor, flushes ignored |
| `balanced` | production on hosts that guests share freely: kvm, the host's own processor, disks past the page cache |
| `latency` | production on hosts with cores and huge pages set aside: `balanced`, and nothing that can make it wait |

A stack file names a profile under `nordgate:hardware` and sets any field below otherwise:

```yaml
nordgate:hardware:
  profile: latency
  vcpus: 4
  memory: 8GiB
  dataVolume: 20GiB
  diskIo: io_uring
```

What cannot go together is refused by `make check`, with the rule. A changed field replaces the guests.

Every profile has one socket with as many cores as the guest has virtual processors, virtio for disks, network and
random numbers, a serial console with a log on the host, and the guest agent's channel; no screen, no USB, no balloon.
Disks go to libvirt by path: see [decision 0008](decisions/0008-disks-by-path.md).

What AES instructions change inside a guest is measured in [aes.md](aes.md).

Give emulated guests one processor. With two, QEMU 7.2 emulates on two threads, and a kernel that patches its own code
on one while the other runs it panics now and then (`Oops: int3` in an interrupt; seen with a network time stamp
switched on under load).

## Fields
"""

_PINNING = """
## Pinning

With `pinned: true` each gateway says which of its host's cores it has. Two hosts may use the same numbers; on one host
no two gateways share a core of `cpus`.

```yaml
nordgate:gateways:
  gw1:
    hypervisor: host1
    address: 10.8.0.11
    pinning: {cpus: [4, 5, 6, 7], emulator: [0, 1], iothreads: [2, 3], node: 0}
  gw2:
    hypervisor: host1
    address: 10.8.0.12
    pinning: {cpus: [8, 9, 10, 11], emulator: [0, 1], iothreads: [2, 3], node: 0}
```

`lscpu --extended` on the host lists its cores with their NUMA nodes; `cat /sys/class/nvme/nvme0/device/numa_node` and
`cat /sys/class/net/enp1s0/device/numa_node` say which node the NVMe and the network card are on.

"""

_CONTROLLER = """
## A whole NVMe controller

`gateways.NAME.nvmeController: "0000:65:00.0"`, with the quotes, takes the controller from the host and gives it to that
guest alone, which then sees `/dev/nvme0n1`: no host and no queue of QEMU's in between. It comes besides the guest's two
volumes: root and data volume stay where they are, and nordgate neither formats nor mounts what is on the controller.
The guest finds it by its serial number, under `/dev/disk/by-id/nvme-*`.

The host needs its IOMMU on (`intel_iommu=on` or `amd_iommu=on`) and must not use the controller itself;
`lspci -nn | grep -i nvme` shows addresses. Such a guest cannot be saved or moved.

## What the host must be able to do

| feature | asked for by | libvirt | QEMU |
|---|---|---|---|
"""


def hardware_page() -> str:
    """The whole page, ending with a line break."""
    names = list(PROFILES)
    parts = [_HEAD]
    parts.append(
        "\n".join([f"| field | {' | '.join(names)} | what it does, and when to use it |", "|---|---|---|---|---|"])
    )
    for name, field in Profile.model_fields.items():
        values = [f"`{_shown(PROFILES[profile], name)}`" for profile in names]
        parts.append(f"\n| `{field.alias}` | {' | '.join(values)} | {field.description} |")
    parts += ["\n", _PINNING, "| field | what it does |\n|---|---|\n"]
    parts += [f"| `{field.alias}` | {field.description} |\n" for field in Pinning.model_fields.values()]
    parts.append(_CONTROLLER)
    for needed in every_requirement():
        parts.append(f"| {needed.feature} | `{needed.setting}` | {needed.libvirt} | {needed.qemu} |\n")
    return "".join(parts)


def _shown(profile: BaseModel, name: str) -> str:
    """The value as a stack file writes it."""
    value = getattr(profile, name)
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)
