"""What a stack file may say, as frozen types. Parsed whole, before any resource exists."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from cloudinit import GatewaySettings
from cloudinit.model import MacAddress
from cloudinit.model import Settings as Model
from cloudinit.problems import Problem, raise_all
from hardware import ProfileName
from stacks.units import Duration, Size

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
HostPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]+$")]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$")]
Endpoint = Annotated[str, StringConstraints(pattern=r"^127\.0\.0\.1:[0-9]{2,5}$")]


class Hypervisor(Model):
    """A KVM host: how to reach it, and what of it the stack may use."""

    uri: str = Field(description="libvirt connection, such as qemu+ssh://deploy@host1/system")
    pool_path: HostPath = Field(description="folder of the storage pool that the stack makes there, on the host's NVMe")
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

    file: str = Field(description="a qcow2 file on the machine that runs Pulumi, relative to the project")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="checksum of `file`; without one, the manifest beside an image that was baked here"
    )


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


class Overhead(Model):
    """What a gateway may add to the upstream that is measured in turn with it."""

    p50: Duration | None = Field(default=None, gt=0, description="to half of the requests")
    p99: Duration | None = Field(default=None, gt=0, description="to 99 of 100 requests")


class Limits(Model):
    """What the smoke check holds the gateways to; on a route or a vantage point, only what differs there."""

    p50: Duration | None = Field(default=None, gt=0, description="half of the requests are answered within")
    p99: Duration | None = Field(default=None, gt=0, description="99 of 100 requests are answered within")
    p999: Duration | None = Field(default=None, gt=0, description="999 of 1,000 requests are answered within")
    error_rate: float | None = Field(default=None, ge=0, le=1, description="share of requests that may fail")
    min_throughput: float | None = Field(default=None, gt=0, description="answers per second, at least")
    overhead: Overhead | None = Field(default=None, description="over the baseline")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        given = [(name, getattr(self, name)) for name in ("p50", "p99", "p999") if getattr(self, name) is not None]
        for (low, lower), (high, higher) in pairwise(given):
            if lower > higher:
                rule = f"{lower:g} s is above {high}, {higher:g} s"
                raise_all(type(self).__name__, [Problem((low,), lower, rule)])
        return self


class Budget(Limits):
    """The limits of the whole stack."""

    p50: Duration = Field(gt=0, description="half of the requests are answered within")
    p99: Duration = Field(gt=0, description="99 of 100 requests are answered within")
    error_rate: float = Field(default=0.0, ge=0, le=1, description="share of requests that may fail")


class Vantage(Model):
    """A place to measure from."""

    reach: Annotated[str, StringConstraints(pattern=r"^(local|hypervisor|ssh://[A-Za-z0-9@._:-]+)$")] = Field(
        description="local, hypervisor (the gateway's own, over SSH or in its lab), or ssh://USER@HOST[:PORT]"
    )
    budget: Limits = Field(default=Limits(), description="what differs from the stack's budget, measured from there")


class Smoke(Model):
    """The check that ends every deployment."""

    ready_within: Duration = Field(gt=0, le=3600, description="how long a gateway may take from start to ready")
    path: UrlPath = Field(default="/", description="path that is proxied to an upstream")
    rate: float = Field(default=150, gt=0, description="requests per second of the latency run")
    duration: Duration = Field(default=7.0, gt=0, description="length of the latency run; a baseline doubles it")
    rounds: int = Field(default=5, ge=1, le=100, description="so many parts it has; gateway and baseline take turns")
    connections: int = Field(default=8, ge=1, le=20_000, description="kept-alive connections of the latency run")
    protocols: tuple[Literal["http/1.1", "h2"], ...] = Field(
        default=("http/1.1",), min_length=1, description="each is measured by itself"
    )
    baseline: Annotated[str, StringConstraints(pattern=r"^http://[^/\s]+/\S*$")] | None = Field(
        default=None, description="http://HOST:PORT/PATH of an upstream, seen from every vantage point"
    )
    budget: Budget
    routes: dict[UrlPath, Limits] = Field(
        default_factory=dict, description="paths to measure, each with what differs from the budget; none: `path`"
    )
    vantages: dict[Name, Vantage] = Field(
        default_factory=dict, description="where to measure from; none: the machine that runs Pulumi"
    )
    retries: int = Field(default=2, ge=0, le=10, description="how often an inconclusive measurement is repeated")
    on_inconclusive: Literal["fail", "warn"] = Field(
        default="fail", description="whether a check that noise leaves undecided fails the deployment"
    )


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
