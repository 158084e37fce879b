"""A region: its hypervisors, what lies ready on each, and its gateways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.gateway import Gateway
from components.guest import GuestArgs
from components.history import History, placement, proofs
from components.hypervisor import Hypervisor, HypervisorArgs
from components.image import BaseImage, BaseImageArgs
from components.network import Network, NetworkArgs
from stacks.design import GatewayDesign
from stacks.history import Placed
from stacks.image import VerifiedImage
from stacks.settings import Settings


@dataclass(frozen=True)
class RegionArgs:
    """A stack's settings, checked, and the image that its guests start from.

    By gateway: the design, the file of the seed disk, the boot ID of the guest that runs now, and where it stands.
    """

    stack: str
    settings: Settings
    image: VerifiedImage
    designs: Mapping[str, GatewayDesign]
    seed_disks: Mapping[str, str]
    boots: Mapping[str, str | None]
    placed: Mapping[str, Placed]


class Region(pulumi.ComponentResource):
    """hypervisors → pool, image and, where there is no way out, network on each → gateways, each proved."""

    def __init__(self, name: str, args: RegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:region:Region", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        stack, settings = args.stack, args.settings
        history = History()
        hypervisors: dict[str, Hypervisor] = {}
        images: dict[str, BaseImage] = {}
        networks: dict[str, Network] = {}
        for host_name, host in settings.hypervisors.items():
            uri = history.unless_moved(args.placed, host.uri)
            hypervisor = Hypervisor(host_name, HypervisorArgs(stack, host, uri), child)
            hypervisors[host_name] = hypervisor
            images[host_name] = BaseImage(
                f"{host_name}-image",
                BaseImageArgs(stack, args.image, hypervisor.pool.name, hypervisor.provider),
                child,
            )
            if not (host.bridge or host.macvtap):
                networks[host_name] = Network(
                    f"{host_name}-network", NetworkArgs(stack, str(settings.network.cidr), hypervisor.provider), child
                )

        self.gateways: dict[str, Gateway] = {}
        generations = {name: history.generation(name, args.boots.get(name)) for name in settings.gateways}
        before: list[pulumi.Resource] = []
        for gateway_name, gateway in settings.gateways.items():
            host_name = gateway.hypervisor
            hypervisor = hypervisors[host_name]
            made = Gateway(
                gateway_name,
                GuestArgs(
                    design=args.designs[gateway_name],
                    seed_disk=args.seed_disks[gateway_name],
                    image_id=images[host_name].volume_id,
                    bridge=settings.hypervisors[host_name].bridge,
                    macvtap=settings.hypervisors[host_name].macvtap,
                    network_id=networks[host_name].id if host_name in networks else None,
                    pool=hypervisor.pool.name,
                    provider=hypervisor.provider,
                    protect_data=settings.protect_data,
                    after=list(before),
                    generation=generations[gateway_name],
                ),
                child,
            )
            self.gateways[gateway_name] = made
            # One at a time: the next is touched only when this one has proved itself.
            if not settings.parallel:
                before = [made.proof]
        self.proofs = proofs({name: made.smoke.result for name, made in self.gateways.items()}, generations)
        self.placement = placement(args.placed)
        self.register_outputs({"gateways": list(self.gateways)})
