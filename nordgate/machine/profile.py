"""Hardware profiles: how a guest meets the processor, memory, disks and network of its host."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

ProfileName = Literal["portable", "balanced", "latency"]


def shaped(pattern: str, rule: str) -> AfterValidator:
    """Annotates a text that must match the whole pattern; else, `rule` says in words what it must be."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def _number(value: object) -> object:
    # Python takes true for 1.
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be 1 or 2")
    return value


def _queues(value: object) -> object:
    if value == "perVcpu" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 64):
        return value
    raise ValueError("must be perVcpu, or a whole number from 1 to 64")


_MACHINE, _FEATURE = r"(q35|pc-q35-[a-z0-9][a-z0-9._-]{0,40})", r"[a-z0-9][a-z0-9_.-]{0,40}"
"""Distributions have versions of their own: `pc-q35-rhel9.4.0`, `pc-q35-noble`. The host says which it has."""
MachineType = Annotated[
    str,
    shaped(_MACHINE, "must be q35, or q35 with a version such as pc-q35-7.2"),
    WithJsonSchema({"type": "string", "pattern": f"^{_MACHINE}$"}),
]
CpuFeature = Annotated[
    str,
    shaped(_FEATURE, "must be a feature's name as libvirt has it, such as avx512f"),
    WithJsonSchema({"type": "string", "pattern": f"^{_FEATURE}$"}),
]
Queues = Annotated[Literal["perVcpu"] | Annotated[int, Field(ge=1, le=64)], BeforeValidator(_queues)]

PAGE_BYTES = {"2MiB": 2 << 20, "1GiB": 1 << 30}
"""The huge pages of x86-64, in bytes."""


class Profile(BaseModel):
    """What the hypervisor gives every guest of a stack. A change of any field replaces the guests, one by one.

    The defaults are `balanced`; PROFILES has the others, as what is different from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    accelerator: Literal["kvm", "qemu"] = Field(
        default="kvm",
        description="`kvm` runs guests on the processor itself; `qemu` emulates one, about twenty times slower. "
        "Never guessed: a /dev/kvm that exists can still hang a guest.",
    )
    machine_type: MachineType = Field(
        default="q35",
        description="The board that the guest finds itself on. `q35` is the newest that the host's QEMU has, so an "
        "upgrade of QEMU may change it at the guest's next start; with a version, such as `pc-q35-7.2`, "
        "`pc-q35-rhel9.4.0` or `pc-q35-noble`, it stays the same until this line is edited.",
    )
    cpu_mode: Literal["host-passthrough", "maximum"] = Field(
        default="host-passthrough",
        description="`host-passthrough` shows the guest the host's own processor, AES-NI and all that blocks live "
        "migration included, and needs kvm; `maximum` is all that the emulator can do.",
    )
    threads_per_core: Annotated[Literal[1, 2], BeforeValidator(_number)] = Field(
        default=1,
        description="Threads of each core in the topology that the guest sees. 2 only where `pinning.cpus` lists the "
        "two hyper-threads of each host core side by side; otherwise the guest's scheduler is misled.",
    )
    require_aes: StrictBool = Field(
        default=True,
        description="The guest does not start on a processor without AES instructions, without which TLS costs many "
        "times as much. libvirt then checks all that QEMU made of the processor (`check='full'`), and names what is "
        "missing.",
    )
    disabled_cpu_features: tuple[CpuFeature, ...] = Field(
        default=(),
        description="Processor features hidden from the guest, by libvirt's names. For measurements, and for "
        "features that a processor has and does badly.",
    )
    pinned: StrictBool = Field(
        default=False,
        description="Every virtual processor has a host core of its own, and QEMU's other threads stay off these; "
        "each gateway then says which, under `pinning`. For hosts whose cores are set aside for guests.",
    )
    hugepages: Literal["2MiB", "1GiB"] | None = Field(
        default=None,
        description="Size of the host's huge pages that hold the guest's memory: fewer TLB misses, no page fault "
        "after the start. Reserved on the host beforehand (`vm.nr_hugepages`, `hugepagesz=1G hugepages=N`); a guest "
        "that finds too few does not start.",
    )
    locked_memory: StrictBool = Field(
        default=False,
        description="The host never swaps the guest's memory. Needs as much free memory as the guest has.",
    )
    share_pages: StrictBool = Field(
        default=True,
        description="The host may merge equal pages of several guests (KSM). It saves memory, and the first write to a "
        "merged page waits for a copy.",
    )
    boot_order: tuple[Literal["root", "network"], ...] = Field(
        default=("root",),
        min_length=1,
        description="What the firmware starts from, first to last. `network` is the card's PXE: after `root` for a "
        "guest that is to fall back to a rescue system, before it where every start is to ask one first.",
    )
    iothreads: StrictInt = Field(
        default=2,
        ge=0,
        le=16,
        description="Threads of QEMU that do nothing but disk I/O. They are dealt out to the disks in turn, root "
        "first; 0 leaves disk I/O to QEMU's main thread.",
    )
    iothread_mapping: StrictBool = Field(
        default=False,
        description="Every disk spreads its queues over all I/O threads, instead of one thread for each disk. For "
        "several queues on fast NVMe.",
    )
    root: Literal["overlay", "flat"] = Field(
        default="overlay",
        description="`overlay` is there at once and shares the image with the host's other guests; `flat` is a raw "
        "copy of the image: some seconds for each guest, and no lookup in qcow2's tables between guest and disk.",
    )
    disk_cache: Literal["none", "writeback", "unsafe"] = Field(
        default="none",
        description="`none` writes past the host's page cache, for data on NVMe; `unsafe` also ignores flushes: test "
        "stacks only, where a host crash may lose everything.",
    )
    disk_io: Literal["native", "io_uring", "threads"] = Field(
        default="native",
        description="How QEMU submits I/O. `native` (Linux AIO) needs a cache mode of `none`; `io_uring` takes fewer "
        "system calls. Which is faster depends on kernel and disk: measure both on the host.",
    )
    disk_discard: Literal["unmap", "ignore"] = Field(
        default="unmap",
        description="Whether blocks that the guest frees are freed on the host. `ignore` where an NVMe stalls on it.",
    )
    disk_queues: Queues = Field(
        default="perVcpu",
        description="Queues of each disk. `perVcpu`: no virtual processor waits for the lock of another's queue.",
    )
    network_backend: Literal["vhost", "qemu"] = Field(
        default="vhost",
        description="Who moves packets between guest and host: a thread of the host's kernel, or QEMU itself, which "
        "emulation needs.",
    )
    network_queues: Queues = Field(
        default="perVcpu",
        description="Queue pairs of the network card, each with an interrupt and a thread of its own. `perVcpu` "
        "suits nginx, with one worker on each virtual processor.",
    )

    def queues(self, declared: Queues, vcpus: int) -> int:
        """`declared` as a number, for a guest of that many virtual processors."""
        return vcpus if declared == "perVcpu" else declared


PROFILES: dict[ProfileName, Profile] = {
    # Runs wherever QEMU does. The data of a lab is worth nothing, so no flush waits for a disk.
    "portable": Profile(
        accelerator="qemu",
        cpu_mode="maximum",
        iothreads=0,
        disk_cache="unsafe",
        disk_io="threads",
        network_backend="qemu",
    ),
    "balanced": Profile(),
    "latency": Profile(pinned=True, hugepages="1GiB", locked_memory=True, share_pages=False, root="flat"),
}


def profile_problems(profile: Profile, vcpus: int, memory: int) -> list[tuple[str, str]]:
    """What cannot be in this combination, for guests of that size (memory in bytes): setting and rule."""
    found: list[tuple[str, str]] = []

    def rule(holds: bool, setting: str, words: str) -> None:
        if not holds:
            found.append((setting, words))

    emulated = profile.accelerator == "qemu"
    rule(
        not (emulated and profile.cpu_mode == "host-passthrough"),
        "cpuMode",
        "host-passthrough needs accelerator: kvm; emulation has maximum",
    )
    rule(
        not (emulated and profile.network_backend == "vhost"),
        "networkBackend",
        "vhost needs accelerator: kvm; emulation has qemu",
    )
    rule(not (emulated and profile.pinned), "pinned", "emulated processors cannot be pinned: set accelerator: kvm")
    rule(
        vcpus % profile.threads_per_core == 0,
        "threadsPerCore",
        f"{vcpus} vcpus are not a whole number of cores with {profile.threads_per_core} threads",
    )
    rule(
        not (profile.require_aes and "aes" in profile.disabled_cpu_features),
        "disabledCpuFeatures",
        "hides aes, which requireAes demands: set requireAes: false too",
    )
    rule(len(set(profile.boot_order)) == len(profile.boot_order), "bootOrder", "names the same device twice")
    if profile.hugepages:
        rule(
            memory % PAGE_BYTES[profile.hugepages] == 0,
            "hugepages",
            f"memory, {memory >> 20} MiB, is no whole number of {profile.hugepages} pages",
        )
    rule(
        not profile.iothread_mapping or profile.iothreads > 0,
        "iothreadMapping",
        "needs iothreads: at least one of them",
    )
    rule(
        profile.disk_io != "native" or profile.disk_cache == "none",
        "diskIo",
        f"native needs diskCache: none, and it is {profile.disk_cache}",
    )
    for setting, queues in (("diskQueues", profile.disk_queues), ("networkQueues", profile.network_queues)):
        rule(
            profile.queues(queues, vcpus) <= vcpus, setting, f"{queues} queues for {vcpus} vcpus: more than can be used"
        )
    return found
