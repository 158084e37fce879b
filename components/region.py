"""A region: its hypervisors, what lies ready on each, and its gateways."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.gateway import Gateway
from components.guest import GuestArgs
from components.hypervisor import Hypervisor, HypervisorArgs
from components.image import BaseImage, BaseImageArgs
from components.network import Network, NetworkArgs
from stacks.design import design
from stacks.image import VerifiedImage
from stacks.settings import Settings


@dataclass(frozen=True)
class RegionArgs:
    """A stack's settings, checked, and the image that its guests start from."""

    stack: str
    settings: Settings
    image: VerifiedImage


class Region(pulumi.ComponentResource):
    """hypervisors → pool, image and, where there is no bridge, network on each → gateways, each proved."""

    def __init__(self, name: str, args: RegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:region:Region", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        stack, settings = args.stack, args.settings
        hypervisors: dict[str, Hypervisor] = {}
        images: dict[str, BaseImage] = {}
        networks: dict[str, Network] = {}
        for host_name, host in settings.hypervisors.items():
            hypervisor = Hypervisor(host_name, HypervisorArgs(stack, host), child)
            hypervisors[host_name] = hypervisor
            images[host_name] = BaseImage(
                f"{host_name}-image",
                BaseImageArgs(stack, args.image, hypervisor.pool.name, hypervisor.provider),
                child,
            )
            if not host.bridge:
                networks[host_name] = Network(
                    f"{host_name}-network", NetworkArgs(stack, str(settings.network.cidr), hypervisor.provider), child
                )

        self.gateways: dict[str, Gateway] = {}
        for gateway_name, gateway in settings.gateways.items():
            host_name = gateway.hypervisor
            hypervisor = hypervisors[host_name]
            self.gateways[gateway_name] = Gateway(
                gateway_name,
                GuestArgs(
                    design=design(settings, stack, gateway_name, args.image.checksum),
                    image_id=images[host_name].volume_id,
                    bridge=settings.hypervisors[host_name].bridge,
                    network_id=networks[host_name].id if host_name in networks else None,
                    pool=hypervisor.pool.name,
                    data_pool=hypervisor.data_pool,
                    provider=hypervisor.provider,
                    protect_data=settings.protect_data,
                ),
                child,
            )
        self.register_outputs({"gateways": list(self.gateways)})
