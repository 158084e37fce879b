"""`GuestSettings`: what makes one guest differ from the next, and how it is kept in order."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv6Interface
from typing import Literal

from pydantic import Field, field_validator, model_validator

from cloudinit.addresses import everybody
from cloudinit.field_types import (
    Address,
    Host,
    HostName,
    HostsNetwork,
    MacAddress,
    Name,
    SettingsModel,
    SshPublicKey,
    Text,
)
from cloudinit.keys import pgp_public_key
from cloudinit.violations import Violation, raise_all

_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?(/[A-Za-z0-9._~/%+-]*)?")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
MOST_OF_ONE_OWNER = 8
"""Bits of the shortest network that SSH is opened to: 10.0.0.0/8."""
_SERIAL = re.compile(r"[A-Za-z0-9_-]{1,20}")


class PackageSettings(SettingsModel):
    """Where the guest's packages come from."""

    mode: Literal["preinstalled", "install"] = Field(
        default="preinstalled", description="`install` is for a stock cloud image: cloud-init installs them."
    )
    proxy: str | None = Field(default=None, description="HTTP proxy for apt.")
    mirror: str | None = Field(
        default=None, description="Package mirror in place of the image's own: the release, -updates and -security."
    )
    security_mirror: str | None = Field(default=None, description="Has -security, where `mirror` has not.")
    key: str | None = Field(
        default=None, description="Armoured OpenPGP public key of the mirror. Default: the distribution's keys."
    )

    @field_validator("proxy", "mirror", "security_mirror")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = _URL.fullmatch(value)
        if not parts:
            raise ValueError(f'"{value}" is not an http or https URL without user, query or fragment')
        if parts["port"] and not 1 <= int(parts["port"]) <= 65535:
            raise ValueError(f'"{value}" has a port above 65535, or 0')
        return value

    @field_validator("key")
    @classmethod
    def _is_public_key(cls, value: str | None) -> str | None:
        return None if value is None else pgp_public_key(value)

    @model_validator(mode="after")
    def _is_used(self) -> PackageSettings:
        found = []
        for name, alias, needed, rule in (
            ("mirror", "mirror", self.mode == "install", "is used with `mode: install` only"),
            ("proxy", "proxy", self.mode == "install", "is used with `mode: install` only"),
            ("security_mirror", "securityMirror", self.mirror, "needs a `mirror` for everything else"),
            ("key", "key", self.mirror, "needs the `mirror` that is signed with it"),
        ):
            value = getattr(self, name)
            if value is not None and not needed:
                found.append(Violation((alias,), value, rule))
        raise_all("PackageSettings", found)
        return self


class GuestSettings(SettingsModel):
    """One guest: its name, its place in the network, who may enter, and its upkeep."""

    name: Name
    instance: Name | None = Field(default=None, description="Start of the instance-id. Default: the name.")
    hostname: HostName | None = Field(default=None, description="Default: the name.")
    address: IPv4Interface | IPv6Interface = Field(description="With the length of the prefix: 10.8.0.11/24.")
    mac: MacAddress
    gateway_address: Address | None = Field(default=None, description="Default route; none for a closed network.")
    gateway_on_link: bool = Field(
        default=False, description="It lies outside the guest's network, and is reached on the link all the same."
    )
    resolvers: tuple[Address, ...] = Field(default=(), description="DNS servers.")
    ntp_servers: tuple[Host, ...] = ()
    mtu: int | None = Field(default=None, ge=576, le=9216)
    admin_user: Name = "operator"
    authorized_keys: tuple[SshPublicKey, ...] = Field(default=(), description="SSH public keys of the admin user.")
    management_networks: tuple[HostsNetwork, ...] = Field(
        default=(), description="Networks that may use SSH. None: nobody, only the console and the guest agent."
    )
    vrrp_peers: tuple[Address, ...] = Field(default=(), description="Whose VRRP advertisements are let in.")
    data_serial: str = Field(default="nordgate-data", description="Serial number of the data volume's disk.")
    timezone: Text = "Etc/UTC"
    unattended_upgrades: bool = Field(default=False, description="Security updates without asking.")
    journal_megabytes: int = Field(default=64, ge=8, le=65536)
    firewall: bool = Field(default=True, description="Refuse whatever is not allowed by name.")
    packages: PackageSettings = PackageSettings()

    @field_validator("data_serial")
    @classmethod
    def _serial(cls, value: str) -> str:
        if not _SERIAL.fullmatch(value):
            raise ValueError(f'"{value}" is not a serial number of 1 to 20 letters, digits, "_" or "-"')
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if not _ZONE.fullmatch(value):
            raise ValueError(f'"{value}" is not a time zone like Europe/Oslo')
        return value

    @model_validator(mode="after")
    def _rules(self) -> GuestSettings:
        network, found = self.address.network, []
        hosts = network.num_addresses > 2 and self.address.version == 4
        if hosts and self.address.ip in (network.network_address, network.broadcast_address):
            rule = f"{self.address.ip} is the network's or the broadcast address of {network}"
            found.append(Violation(("address",), str(self.address), rule))
        gateway = self.gateway_address
        if gateway is not None and gateway not in network and not self.gateway_on_link:
            found.append(Violation(("gatewayAddress",), str(gateway), f"{gateway} is outside {network}"))
        if gateway == self.address.ip:
            found.append(Violation(("gatewayAddress",), str(gateway), f"{gateway} is the guest's own address"))
        found += [
            Violation(("managementNetworks",), str(one), f"{one} is more than any one owner has: who may reach SSH?")
            for one in everybody(self.management_networks, MOST_OF_ONE_OWNER)
        ]
        raise_all("GuestSettings", found)
        return self
