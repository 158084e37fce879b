"""One guest's machine: a profile, and the part of its host that is the guest's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, WithJsonSchema
from pydantic.alias_generators import to_camel

from nordgate.machine.profile import Profile, shaped

Cores = tuple[Annotated[StrictInt, Field(ge=0, le=8191)], ...]
_PCI = r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[01][0-9A-Fa-f]\.[0-7]"
"""A domain has more than four digits behind a controller that hides disks from the host, such as Intel's VMD."""
PciAddress = Annotated[
    str,
    shaped(_PCI, 'must be a PCI address such as "0000:65:00.0", in quotes'),
    AfterValidator(str.lower),
    WithJsonSchema({"type": "string", "pattern": f"^{_PCI}$"}),
]


class Pinning(BaseModel):
    """Which of the host's cores one gateway has. Numbers as `lscpu --extended` shows them on the host."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    cpus: Cores = Field(
        min_length=1,
        description="One core for each virtual processor, in their order; no other gateway's. Best cut off from "
        "everything else on the host (`isolcpus=` or a cpuset).",
    )
    emulator: Cores = Field(
        min_length=1,
        description="Housekeeping cores for QEMU's main thread and its network threads. Gateways may share them.",
    )
    iothreads: Cores = Field(
        default=(),
        description="Housekeeping cores for the I/O threads, where there are any. Gateways may share them.",
    )
    node: StrictInt = Field(
        ge=0,
        le=63,
        description="The NUMA node that all of the guest's memory comes from: that of `cpus`, and best that of the "
        "host's NVMe and network card.",
    )


@dataclass(frozen=True)
class Machine:
    """Everything about one guest that its domain's stylesheet sets, and that `verify` holds it to.

    `memory` is in bytes. `console_log`, `pool_path`, the folder of the volumes, and `data_path`, the data volume, are
    paths on the hypervisor. `data_serial` and `seed_serial` (20 characters at most) tell the guest its data volume,
    the second disk, from its seed, the third.
    """

    profile: Profile
    uuid: str
    mac: str
    vcpus: int
    memory: int
    console_log: str
    pool_path: str
    data_path: str
    data_serial: str
    seed_serial: str
    pinning: Pinning | None = None
    nvme_controller: PciAddress | None = None
    open_vswitch: bool = False
    """Whether the bridge that it stands on is one of Open vSwitch."""

    @property
    def cpu_check(self) -> Literal["full", "none"]:
        """Whether libvirt compares the processor that QEMU made with the one that was asked for."""
        return "full" if self.profile.require_aes else "none"

    @property
    def cores(self) -> int:
        """Cores in the one socket that the guest sees."""
        return self.vcpus // self.profile.threads_per_core

    @property
    def data_is_device(self) -> bool:
        """Whether the data volume is a block device of the host, such as a logical volume, and not a file."""
        return self.data_path.startswith("/dev/")

    @property
    def disk_queues(self) -> int:
        """The number of queues that each disk has."""
        return self.profile.queues(self.profile.disk_queues, self.vcpus)

    @property
    def network_queues(self) -> int:
        """The number of queues that the network card has."""
        return self.profile.queues(self.profile.network_queues, self.vcpus)

    def boot_place(self, device: Literal["root", "network"]) -> int | None:
        """The device's place in the order of starting, from 1; None when nothing starts from it."""
        order = self.profile.boot_order
        return order.index(device) + 1 if device in order else None

    def disk_iothreads(self, disk: int) -> tuple[int, ...]:
        """The numbers, from 1, of the I/O threads that serve the disk with that number, from 1."""
        count = self.profile.iothreads
        if not count:
            return ()
        return tuple(range(1, count + 1)) if self.profile.iothread_mapping else ((disk - 1) % count + 1,)


def cpuset(cores: Iterable[int]) -> str:
    """Cores in libvirt's own words, ranges drawn together: `0-1,4`."""
    runs: list[tuple[int, int]] = []
    for core in sorted(set(cores)):
        if runs and core == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], core)
        else:
            runs.append((core, core))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def pinning_problems(profile: Profile, vcpus: int, pinning: Pinning | None) -> list[tuple[str, str]]:
    """What is wrong with one gateway's pinning by itself: setting ("" for the whole) and rule."""
    if pinning is None:
        rule = "is required, because hardware.pinned is true: cpus, emulator, iothreads and node on its host"
        return [("", rule)] if profile.pinned else []
    if not profile.pinned:
        return [("", "has no effect, because hardware.pinned is false: remove it, or set that to true")]
    found = []
    if len(pinning.cpus) != vcpus:
        found.append(("cpus", f"{len(pinning.cpus)} cores for {vcpus} vcpus: one for each is needed"))
    if repeated := cpuset(core for core in pinning.cpus if pinning.cpus.count(core) > 1):
        found.append(("cpus", f"core {repeated} stands there more than once"))
    if profile.iothreads and not pinning.iothreads:
        found.append(("iothreads", f"is required: cores for the {profile.iothreads} I/O threads"))
    return found


def shared_cores(pinnings: Mapping[str, Pinning]) -> list[tuple[str, str, str]]:
    """Cores of virtual processors that have other work too, among the gateways of one host: gateway, setting, rule."""
    found = []
    for name, pinning in pinnings.items():
        for other, theirs in pinnings.items():
            uses = {"emulator": theirs.emulator, "iothreads": theirs.iothreads}
            # Each pair of gateways is reported once, at the later of the two.
            if list(pinnings).index(other) < list(pinnings).index(name):
                uses["cpus"] = theirs.cpus
            for setting, cores in uses.items():
                if both := cpuset(core for core in pinning.cpus if core in cores):
                    found.append((name, "cpus", f"core {both} is also in gateways.{other}.pinning.{setting}"))
    return found
