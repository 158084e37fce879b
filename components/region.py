"""A region: its hypervisors, what lies ready on each, and its gateways."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pulumi

from components.base_image import BaseImage, BaseImageArgs
from components.gateway import Gateway
from components.guest import GuestArgs
from components.hypervisor import Hypervisor, HypervisorArgs
from components.network import Network, NetworkArgs
from components.previous_outputs import History
from nordgate.deployment.history import FoundGateway
from nordgate.deployment.transition import declared
from nordgate.design.gateway_design import GatewayDesign
from nordgate.design.image import VerifiedImage
from nordgate.settings.stack_settings import Settings


@dataclass(frozen=True)
class RegionArgs:
    """A stack's settings, checked, and the image that its guests start from.

    By gateway: the design, the file of the seed disk, and what is there of it now. Those that `rebuild` names are made
    anew although they are the declared ones.
    """

    stack: str
    settings: Settings
    image: VerifiedImage
    designs: Mapping[str, GatewayDesign]
    seed_disks: Mapping[str, str]
    present: Mapping[str, FoundGateway]
    undeclared: Mapping[str, str]
    """The hosts of the stack's guests that stand and are not declared."""
    rebuild: Collection[str] = ()


class Region(pulumi.ComponentResource):
    """hypervisors → pool, image and, where there is no way out, network on each → gateways, each proved."""

    def __init__(self, name: str, args: RegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:region:Region", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        stack, settings = args.stack, args.settings
        data = {name: design.data_name for name, design in args.designs.items()}
        standing = {name: declared(settings, design) for name, design in args.designs.items()}
        history = History(args.present, data, standing, args.undeclared, args.rebuild)
        hypervisors: dict[str, Hypervisor] = {}
        images: dict[str, BaseImage] = {}
        networks: dict[str, Network] = {}
        for host_name, host in settings.hypervisors.items():
            hypervisor = Hypervisor(host_name, HypervisorArgs(stack, host), child)
            hypervisors[host_name] = hypervisor
            images[host_name] = BaseImage(
                f"{host_name}-image",
                BaseImageArgs(stack, args.image, host.uri, hypervisor.pool.name, host.pool_path),
                child,
            )
            if not host.ways:
                network = NetworkArgs(stack, str(settings.network.cidr), settings.network.mtu, hypervisor.provider)
                networks[host_name] = Network(f"{host_name}-network", network, child)

        self.gateways: dict[str, Gateway] = {}
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
                    bridge=settings.hypervisors[host_name].bridge or settings.hypervisors[host_name].open_vswitch,
                    macvtap=settings.hypervisors[host_name].macvtap,
                    network_id=networks[host_name].id if host_name in networks else None,
                    pool=hypervisor.pool.name,
                    provider=hypervisor.provider,
                    protect_data=settings.protect_data,
                    after=list(before),
                    check_number=history.check_number(gateway_name),
                    guest_number=history.guest_number(args.designs[gateway_name]),
                ),
                child,
            )
            self.gateways[gateway_name] = made
            # One at a time: the next is touched only when this one has proved itself.
            if not settings.parallel:
                before = [made.proof]
        self.history = {
            name: history.entry(name, made.smoke.result, made.volumes) for name, made in self.gateways.items()
        }
        self.register_outputs({"gateways": list(self.gateways)})
