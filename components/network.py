"""A closed network on a hypervisor that has no bridge to the clients."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt

from nordgate.design.gateway_design import shared_name
from nordgate.machine import derived_uuid, network_stylesheet


@dataclass(frozen=True)
class NetworkArgs:
    """`cidr` is the gateways' network, in which the host takes the first address."""

    stack: str
    cidr: str
    mtu: int | None
    provider: libvirt.Provider


class Network(pulumi.ComponentResource):
    """A libvirt network that reaches the host and nothing else. Addresses are declared: no DHCP and no DNS."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:network:Network", name, None, opts)
        network_name = shared_name(args.stack)
        network = libvirt.Network(
            f"{name}-closed",
            name=network_name,
            mode="none",
            addresses=[args.cidr],
            mtu=args.mtu,
            dhcp=libvirt.NetworkDhcpArgs(enabled=False),
            autostart=True,
            xml=libvirt.NetworkXmlArgs(xslt=network_stylesheet(derived_uuid(args.stack, "network", network_name))),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.provider,
                delete_before_replace=True,
                # It says the UUID, which comes of the names, and what no network of ours has: no blank is worth one.
                ignore_changes=["xml"],
                # Accepted by the provider, and never applied.
                replace_on_changes=["addresses", "mode", "dhcp", "mtu"],
            ),
        )
        self.id = network.id
        self.register_outputs({"id": self.id})
