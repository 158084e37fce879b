"""What a stack file may say, as frozen types. Parsed whole, before any resource exists."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from cloudinit import GatewaySettings
from cloudinit.model import MacAddress
from cloudinit.model import Settings as Model
from cloudinit.problems import Problem, raise_all
from hardware import ProfileName
from stacks.units import Duration, Size

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
HostPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]+$")]
VolumeGroup = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}$")]
Endpoint = Annotated[str, StringConstraints(pattern=r"^127\.0\.0\.1:[0-9]{2,5}$")]


class Hypervisor(Model):
    """A KVM host: how to reach it, and what of it the stack may use."""

    uri: str = Field(description="libvirt connection, such as qemu+ssh://deploy@host1/system")
    pool_path: HostPath = Field(description="folder of the storage pool that the stack makes there, on the host's NVMe")
    volume_group: VolumeGroup | None = Field(
        default=None,
        description="LVM volume group, and libvirt's pool of that name, for the data volumes; else in `poolPath`",
    )
    require_nvme: bool = Field(
        default=True, description="refuse a pool that is not proved to lie on NVMe; false only where speed is no matter"
    )
    bridge: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9.-]{0,14}$")] | None = Field(
        default=None,
        description="the host's bridge that leads to the clients; without one, the stack makes a closed network there",
    )
    console_logs: HostPath = Field(
        default="/var/log/libvirt/qemu", description="folder on the host for the guests' serial console logs"
    )

    @field_validator("uri")
    @classmethod
    def _uri(cls, value: str) -> str:
        if not re.match(r"qemu(\+(ssh|tcp|tls|unix))?://", value):
            raise ValueError(f'"{value}" is no QEMU connection such as qemu+ssh://deploy@host1/system')
        if re.match(r"qemu\+ssh://[^/]*:\d+(/|$)", value):
            raise ValueError(f'"{value}" has a port, which the published libvirt plugin cannot use with SSH')
        return value


class Image(Model):
    """The disk that guests start from."""

    file: str | None = Field(
        default=None, description="a qcow2 file on the machine that runs Pulumi, relative to the project"
    )
    url: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$")] | None = Field(
        default=None, description="where to download a qcow2 file, once; needs a checksum"
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="checksum of the file; without one, the manifest beside an image that was baked here"
    )
    sha512: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")] | None = Field(
        default=None, description="the same, where that is what the distribution publishes"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        found = []
        if (self.file is None) == (self.url is None):
            found.append(Problem((), None, "needs either `file` or `url`"))
        if self.url and not (self.sha256 or self.sha512):
            found.append(Problem(("url",), self.url, "needs a checksum, sha256 or sha512, as its publisher gives it"))
        if self.sha256 and self.sha512:
            found.append(Problem(("sha512",), self.sha512, "one checksum is enough: give sha256 or sha512"))
        raise_all("Image", found)
        return self


class Hardware(Model):
    """What every gateway of the stack is made of."""

    profile: ProfileName = Field(description="how the guest meets the host: see docs/architecture.md")
    vcpus: int = Field(ge=1, le=64, description="virtual processors per gateway")
    memory: Size = Field(ge=256 << 20, description="memory per gateway, such as 4GiB")
    data_volume: Size = Field(ge=64 << 20, description="size of the volume for logs and TLS keys, fully preallocated")


class Network(Model):
    """The network that the gateways stand in."""

    cidr: IPv4Network = Field(description="such as 10.81.0.0/24")
    router: IPv4Address | None = Field(default=None, description="default route; without one the network is closed")
    resolvers: tuple[IPv4Address, ...] = Field(default=(), description="DNS servers")
    time_servers: tuple[str, ...] = Field(min_length=1, description="NTP servers")
    management: tuple[IPv4Network, ...] = Field(min_length=1, description="networks that may reach SSH")


class Gateway(Model):
    """One gateway: where it runs and where it is reached."""

    hypervisor: Name = Field(description="one of `hypervisors`")
    address: IPv4Address = Field(description="inside the network's cidr")
    mac: MacAddress | None = Field(default=None, description="without one, derived from stack and name")
    entry: Endpoint | None = Field(
        default=None, description="127.0.0.1:PORT that leads to the gateway's 443 where its address cannot be reached"
    )


class Budget(Model):
    """What the smoke check holds the gateways to."""

    p50: Duration = Field(gt=0, description="half of the requests are answered within")
    p99: Duration = Field(gt=0, description="99 of 100 requests are answered within")
    error_rate: float = Field(default=0.0, ge=0, le=1, description="share of requests that may fail")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p50 > self.p99:
            raise_all("Budget", [Problem(("p50",), self.p50, f"{self.p50:g} s is above p99, {self.p99:g} s")])
        return self


class Smoke(Model):
    """The check that ends every deployment."""

    ready_within: Duration = Field(gt=0, le=3600, description="how long a gateway may take from start to ready")
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$")] = Field(
        default="/", description="path that is proxied to an upstream"
    )
    rate: float = Field(default=150, gt=0, description="requests per second of the latency run")
    duration: Duration = Field(default=7.0, gt=0, description="length of the latency run")
    connections: int = Field(default=8, ge=1, le=500, description="kept-alive connections of the latency run")
    budget: Budget


class Settings(Model):
    """A whole stack file."""

    region: Name = Field(description="the region this stack serves")
    hypervisors: dict[Name, Hypervisor] = Field(min_length=1, description="the region's KVM hosts, by name")
    image: Image
    hardware: Hardware
    network: Network
    gateways: dict[Name, Gateway] = Field(min_length=1, description="the gateways, by name")
    authorized_keys: tuple[str, ...] = Field(default=(), description="SSH public keys of the guests' operators")
    nginx: GatewaySettings = Field(description="what the gateways do: see docs/tuning.md")
    smoke: Smoke
    protect_data: bool = Field(description="refuse to delete the data volumes; true in production")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = []
        network = self.network
        if network.router and network.router not in network.cidr:
            found.append(Problem(("network", "router"), network.router, f"{network.router} is outside {network.cidr}"))
        owners: dict[object, str] = {network.router: "network.router"} if network.router else {}
        for name, gateway in self.gateways.items():
            where = ("gateways", name)
            if gateway.hypervisor not in self.hypervisors:
                rule = f'"{gateway.hypervisor}" is none of: {", ".join(self.hypervisors)}'
                found.append(Problem((*where, "hypervisor"), gateway.hypervisor, rule))
            if gateway.address not in network.cidr:
                rule = f"{gateway.address} is outside the network {network.cidr}"
                found.append(Problem((*where, "address"), gateway.address, rule))
            for key in ("address", "mac", "entry"):
                value = getattr(gateway, key)
                if value is not None and value in owners:
                    found.append(Problem((*where, key), value, f"{value} is taken by {owners[value]}"))
                owners[value] = f"gateways.{name}.{key}"
        raise_all("Settings", found)
        return self
