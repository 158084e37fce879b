"""What a stack file may say of hardware: a profile for all gateways, and each gateway's share of its host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol, Self

from pydantic import ConfigDict, Field, StrictInt, model_validator

from cloudinit.violations import Violation, raise_all
from nordgate.machine import (
    PROFILES,
    PciAddress,
    Pinning,
    Profile,
    ProfileName,
    pinning_problems,
    profile_problems,
    shared_cores,
)
from nordgate.settings.units import Size, at_most


def _without_defaults(schema: dict[str, Any]) -> None:
    """An editor must not show one profile's value as that of all."""
    for field in schema["properties"].values():
        field.pop("default", None)


class Hardware(Profile):
    """What every gateway of the stack is made of: a profile, and any of its fields set otherwise."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    profile: ProfileName = Field(description="how the guest meets the host: see docs/hardware.md")
    vcpus: StrictInt = Field(ge=1, le=64, description="virtual processors per gateway")
    memory: Annotated[Size, at_most("4TiB")] = Field(ge=256 << 20, description="memory per gateway, such as 4GiB")
    data_volume: Annotated[Size, at_most("16TiB")] = Field(
        ge=64 << 20, description="size of the volume for logs and TLS keys, fully preallocated"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_profile(cls, given: Any) -> Any:
        """What the stack file leaves out is as the profile has it."""
        return cls.left_out(given) | given if isinstance(given, dict) else given

    @classmethod
    def left_out(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the fields are that are not given, by their names in the file; unknown without a known profile."""
        profile = given.get("profile")
        if not isinstance(profile, str) or profile not in PROFILES:
            return {}
        return PROFILES[profile].model_dump(by_alias=True)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        found = profile_problems(self, self.vcpus, self.memory)
        raise_all("Hardware", [Violation((setting,), None, rule) for setting, rule in found])
        return self


class Hosted(Protocol):
    """A gateway, as far as its place on a host goes."""

    @property
    def hypervisor(self) -> str:
        """The name of the gateway's hypervisor."""

    @property
    def pinning(self) -> Pinning | None:
        """The processors and the memory of the host that are the gateway's alone."""

    @property
    def nvme_controller(self) -> PciAddress | None:
        """The NVMe controller that the gateway is given whole."""


def share_problems(hardware: Hardware, gateways: Mapping[str, Hosted]) -> list[Violation]:
    """Where a gateway takes too little of its host, or what another has taken."""
    found = []
    for name, gateway in gateways.items():
        for setting, rule in pinning_problems(hardware, hardware.vcpus, gateway.pinning):
            found.append(Violation(("gateways", name, "pinning", *filter(None, [setting])), None, rule))
    for host in dict.fromkeys(gateway.hypervisor for gateway in gateways.values()):
        here = {name: gateway for name, gateway in gateways.items() if gateway.hypervisor == host}
        pinnings = {name: gateway.pinning for name, gateway in here.items() if gateway.pinning}
        for name, setting, rule in shared_cores(pinnings):
            found.append(Violation(("gateways", name, "pinning", setting), None, rule))
        owners: dict[str, str] = {}
        for name, gateway in here.items():
            controller = gateway.nvme_controller
            if controller and owners.setdefault(controller, name) != name:
                rule = f"{controller} of {host} is taken by gateways.{owners[controller]}"
                found.append(Violation(("gateways", name, "nvmeController"), controller, rule))
    return found
