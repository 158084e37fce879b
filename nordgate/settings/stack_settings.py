"""What a stack file and a region file may say, as frozen types. Parsed whole, before any resource exists.

A region file holds what the production and the test stack of a region share; a stack file what is its own. The rules
between settings are in nordgate/settings/stack_rules.py.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cloudinit import GatewaySettings, PackageSettings, platform_named
from cloudinit.field_types import Host, MacAddress, SettingsModel, SshPublicKey, Text
from cloudinit.patterns import Pattern
from cloudinit.violations import Violation, raise_all
from nordgate.machine import PciAddress, Pinning
from nordgate.settings.hardware import Hardware
from nordgate.settings.host_types import (
    Entry,
    File,
    HostAddress,
    HostsNetwork,
    Url,
)
from nordgate.settings.hypervisor_settings import HypervisorSettings
from nordgate.settings.smoke_settings import Smoke
from nordgate.settings.units import Duration

Name = Annotated[
    str, Pattern(r"[a-z][a-z0-9-]{0,30}", 'must be lower-case letters, digits and "-", a letter first, 31 at most')
]
PlatformName = Annotated[str, AfterValidator(lambda name: platform_named(name).name)]
Checksum256 = Annotated[str, Pattern(r"[0-9a-f]{64}", "must be 64 hexadecimal digits in lower case")]
Checksum512 = Annotated[str, Pattern(r"[0-9a-f]{128}", "must be 128 hexadecimal digits in lower case")]


class Image(SettingsModel):
    """The disk that guests start from."""

    file: File | None = Field(
        default=None, description="a qcow2 file on the machine that runs Pulumi, relative to the project"
    )
    url: Url | None = Field(default=None, description="where to download a qcow2 file, once; needs a checksum")
    sha256: Checksum256 | None = Field(
        default=None, description="checksum of the file; without one, the manifest beside an image that was baked here"
    )
    sha512: Checksum512 | None = Field(
        default=None, description="the same, where that is what the distribution publishes"
    )

    platform: PlatformName = Field(default="debian-13", description="the distribution that is on it")
    packages: PackageSettings = Field(
        default=PackageSettings(), description="whether they are on it, or come from a mirror at the first boot"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        found = []
        if self.file is None and self.url is None:
            found.append(Violation((), None, "needs `file` or `url`"))
        if self.file is not None and self.url is not None:
            found.append(Violation(("url",), self.url, f"{self.url}: `file` is set too: one of them"))
        if self.url and not (self.sha256 or self.sha512):
            found.append(Violation(("url",), self.url, "needs a checksum, sha256 or sha512, as its publisher gives it"))
        if self.sha256 and self.sha512:
            found.append(Violation(("sha512",), self.sha512, "one checksum is enough: give sha256 or sha512"))
        raise_all("Image", found)
        return self


class Network(SettingsModel):
    """The network that the gateways of a region stand in."""

    cidr: HostsNetwork = Field(description="such as 10.81.0.0/24; no other region's network may overlap it")
    router: HostAddress | None = Field(default=None, description="default route; without one the network is closed")
    on_link: bool = Field(
        default=False,
        description="the router lies outside `cidr` and is reached on the link all the same, as where a provider gives "
        "out single addresses",
    )
    mtu: int | None = Field(
        default=None,
        ge=576,
        le=9216,
        description="largest packet, in bytes, where it is not 1500: less in a tunnel, 9000 where every switch has it",
    )
    resolvers: tuple[HostAddress, ...] = Field(default=(), description="DNS servers")
    time_servers: tuple[Host, ...] = Field(min_length=1, description="NTP servers")
    management: tuple[HostsNetwork, ...] = Field(min_length=1, description="networks that may reach SSH")
    vrrp_peers: tuple[HostAddress, ...] = Field(
        default=(), description="whose VRRP advertisements the gateways' firewall lets in"
    )


class Gateway(SettingsModel):
    """One gateway: where it runs and where it is reached."""

    hypervisor: Name = Field(description="one of `hypervisors`")
    address: HostAddress = Field(description="inside the network's cidr")
    mac: MacAddress | None = Field(default=None, description="without one, derived from stack and name")
    entry: Entry | None = Field(
        default=None,
        description="127.0.0.1:PORT that leads to the gateway's 443 where its address cannot be reached; "
        "the gateway then answers to a name below localhost too",
    )
    pinning: Pinning | None = Field(default=None, description="the host's cores that are the gateway's own")
    nvme_controller: PciAddress | None = Field(
        default=None,
        description='PCI address of an NVMe controller that the host hands to this guest alone: "0000:65:00.0", with '
        "the quotes",
    )


class RoundTrips(SettingsModel):
    """How long a packet and its answer are expected to take: no latency budget can be below the sum."""

    gateways: Duration = Field(gt=0, description="from where the stack is deployed to the gateways")
    upstreams: Duration = Field(gt=0, description="from the gateways to their upstreams")
    regions: dict[Name, Annotated[Duration, Field(gt=0)]] = Field(
        default_factory=dict,
        description="from other regions, by name, to the gateways: what a vantage point there needs",
    )


class Region(SettingsModel):
    """A region file, stacks/regions/NAME.yaml: what is true of the region whichever stack serves it."""

    # Never the country codes: YAML reads a bare NO as false.
    jurisdiction: Literal["norway", "united-kingdom"] = Field(description="whose law the logs and keys are under")
    time_zone: Text = Field(description="the gateways' time zone, such as Europe/Oslo")
    unattended_upgrades: bool = Field(
        default=False, description="security updates without asking; the image has unattended-upgrades, or installs it"
    )
    network: Network
    round_trips: RoundTrips
    nginx: GatewaySettings = Field(description="what the gateways do: see docs/tuning.md")
    smoke: Smoke


class Stack(SettingsModel):
    """A stack file, stacks/Pulumi.STACK.yaml: where and on what this stack serves its region."""

    region: Name = Field(description="The region this stack serves: NAME of stacks/regions/NAME.yaml")
    hypervisors: dict[Name, HypervisorSettings] = Field(
        min_length=1,
        description="The region's KVM hosts by name; each with uri, poolPath, and optionally volumeGroup, requireNvme, "
        "bridge, openVswitch or macvtap, and consoleLogs",
    )
    image: Image = Field(
        description="The disk that guests start from; file or url with sha256 or sha512, or the manifest of an "
        "image baked here"
    )
    hardware: Hardware = Field(
        description="What every gateway is made of; profile, vcpus, memory, dataVolume, and any field in "
        "docs/hardware.md"
    )
    gateways: dict[Name, Gateway] = Field(
        min_length=1,
        description="The gateways by name; each with hypervisor, address, and optionally mac, entry, pinning and "
        "nvmeController",
    )
    authorized_keys: tuple[SshPublicKey, ...] = Field(
        default=(), description="SSH public keys of the guests' operators"
    )
    budget_scale: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="What the region's latency budgets are multiplied by; above 1 for test stacks only, whose "
        "processors are emulated",
    )
    parallel: bool = Field(
        default=False, description="Make and replace all gateways at once, not each after the proof of the one before"
    )
    protect_data: bool = Field(description="Refuse to delete the data volumes; true in production")


class Origin(SettingsModel):
    """Another region, as far as the stack is measured from there."""

    uri: str
    """libvirt's, of the first hypervisor of that region's stack of the same kind."""
    network: IPv4Network


class Settings(Stack):
    """Everything that a stack is made from: its own file, its region's, and where else it is measured from."""

    facts: Region
    origins: dict[Name, Origin] = Field(default_factory=dict)
    """By region."""

    @property
    def network(self) -> Network:
        """The region's network."""
        return self.facts.network

    @property
    def nginx(self) -> GatewaySettings:
        """The region's settings of nginx and of the kernel below it."""
        return self.facts.nginx

    @property
    def smoke(self) -> Smoke:
        """The region's, with the budget that this stack is held to."""
        return self.facts.smoke.scaled(self.budget_scale, self.facts.round_trips.regions)
