"""What cloudinit is told about the guest of a gateway: the translation of a stack's settings, and nothing more."""

from __future__ import annotations

from cloudinit import GuestSettings, PackageSettings
from nordgate.machine import derived_mac
from nordgate.settings.stack_settings import Gateway, Network

DATA_SERIAL = "nordgate-data"
"""How the guest finds its data volume: /dev/disk/by-id/virtio-nordgate-data."""


def guest_settings(
    stack: str,
    name: str,
    gateway: Gateway,
    network: Network,
    authorized_keys: tuple[str, ...],
    time_zone: str,
    unattended_upgrades: bool,
    packages: PackageSettings,
) -> GuestSettings:
    """The guest of the gateway `name`, as cloudinit wants to know it. Raises pydantic's ValidationError."""
    return GuestSettings(
        name=f"{stack}-{name}",
        address=f"{gateway.address}/{network.cidr.prefixlen}",
        mac=gateway.mac or derived_mac(stack, name),
        gateway_address=network.router,
        gateway_on_link=network.on_link,
        mtu=network.mtu,
        resolvers=network.resolvers,
        ntp_servers=network.time_servers,
        management_networks=network.management,
        authorized_keys=authorized_keys,
        vrrp_peers=network.vrrp_peers,
        timezone=time_zone,
        unattended_upgrades=unattended_upgrades,
        data_serial=DATA_SERIAL,
        packages=packages,
    )
