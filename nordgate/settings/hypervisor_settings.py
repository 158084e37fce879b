"""What a stack file may say of a hypervisor: how it is reached, and where on it gateways stand."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from cloudinit.field_types import SettingsModel
from cloudinit.violations import Violation, raise_all
from nordgate.settings.connection_rules import why_no_connection
from nordgate.settings.host_types import (
    Device,
    HostPath,
    VolumeGroup,
)


class HypervisorSettings(SettingsModel):
    """A KVM host: how to reach it, and what of it the stack may use."""

    uri: str = Field(
        description="libvirt connection, such as qemu+ssh://deploy@host1/system; what production refuses: docs/hosts.md"
    )
    pool_path: HostPath = Field(description="folder of the storage pool that the stack makes there, on the host's NVMe")
    volume_group: VolumeGroup | None = Field(
        default=None,
        description="LVM volume group, and libvirt's pool of that name, for the data volumes; else in `poolPath`",
    )
    require_nvme: bool = Field(
        default=True, description="refuse a pool that is not proved to lie on NVMe; false only where speed is no matter"
    )
    bridge: Device | None = Field(
        default=None,
        description="the host's bridge that leads to the clients; without it, and without openVswitch and macvtap, the "
        "stack makes a closed network there",
    )
    open_vswitch: Device | None = Field(
        default=None, description="instead of a bridge: the host's Open vSwitch bridge that leads to the clients"
    )
    macvtap: Device | None = Field(
        default=None,
        description="instead of a bridge: the host's network card, on which every guest gets a macvtap device. The "
        "host itself cannot reach its guests that way",
    )
    console_logs: HostPath = Field(
        default="/var/log/libvirt/qemu", description="folder on the host for the guests' serial console logs"
    )

    @field_validator("uri")
    @classmethod
    def _uri(cls, value: str) -> str:
        if reason := why_no_connection(value):
            raise ValueError(reason)
        return value

    @property
    def ways(self) -> dict[str, str]:
        """The device that leads to the clients, by its setting; nothing where the stack makes a closed network."""
        named = {"bridge": self.bridge, "openVswitch": self.open_vswitch, "macvtap": self.macvtap}
        return {setting: device for setting, device in named.items() if device}

    @model_validator(mode="after")
    def _one_way_out(self) -> Self:
        (first, device), *others = list(self.ways.items()) or [("", "")]
        rule = f"{first}: {device} is set too: one of them"
        raise_all("HypervisorSettings", [Violation((setting,), other, rule) for setting, other in others])
        return self
