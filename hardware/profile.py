"""Hardware profiles: how a guest meets the processor, memory and disks of its host."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

ProfileName = Literal["portable", "balanced"]


class Profile(BaseModel):
    """What the hypervisor gives every guest of a stack. A change of any field replaces the guests, one by one."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    accelerator: Literal["kvm", "qemu"] = Field(
        description="`kvm` runs guests on the processor itself; `qemu` emulates one, about twenty times slower. "
        "Never guessed: a /dev/kvm that exists can still hang a guest."
    )
    cpu_mode: Literal["host-passthrough", "maximum"] = Field(
        description="`host-passthrough` shows the guest the host's own processor, AES-NI included, and needs kvm; "
        "`maximum` is all that the emulator can do."
    )
    require_aes: bool = Field(description="The guest does not start on a processor without AES instructions.")
    disabled_cpu_features: tuple[str, ...] = Field(
        default=(), description="Processor features hidden from the guest, by libvirt's names."
    )
    disk_cache: Literal["none", "writeback", "unsafe"] = Field(
        description="`none` writes past the host's page cache, for data on NVMe; `unsafe` also ignores flushes: test "
        "stacks only, where a host crash may lose everything."
    )
    disk_io: Literal["native", "io_uring", "threads"] = Field(
        description="How QEMU submits I/O. `native` needs a cache mode of `none`."
    )


PROFILES: dict[ProfileName, Profile] = {
    # Runs wherever QEMU does. The data of a lab is worth nothing, so no flush waits for a disk.
    "portable": Profile(
        accelerator="qemu", cpu_mode="maximum", require_aes=True, disk_cache="unsafe", disk_io="threads"
    ),
    "balanced": Profile(
        accelerator="kvm", cpu_mode="host-passthrough", require_aes=True, disk_cache="none", disk_io="native"
    ),
}
