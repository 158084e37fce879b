"""A gateway: a guest, and the check that proves it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt

from components.guest import Guest, GuestArgs
from components.smoke import SmokeCheck, SmokeCheckArgs
from stacks.design import GatewayDesign


@dataclass(frozen=True)
class GatewayArgs:
    """The gateway's design, and what its hypervisor has ready for it."""

    design: GatewayDesign
    image_id: pulumi.Input[str]
    bridge: str | None
    network_id: pulumi.Input[str] | None
    pool: pulumi.Input[str]
    provider: libvirt.Provider
    protect_data: bool


class Gateway(pulumi.ComponentResource):
    """Complete only when its smoke check has passed."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:gateway:Gateway", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        guest = Guest(
            name,
            GuestArgs(
                design=args.design,
                image_id=args.image_id,
                bridge=args.bridge,
                network_id=args.network_id,
                pool=args.pool,
                provider=args.provider,
                protect_data=args.protect_data,
            ),
            child,
        )
        self.smoke = SmokeCheck(
            name,
            SmokeCheckArgs(plan=args.design.smoke_plan, fingerprint=args.design.fingerprint, guest=guest.uuid),
            child,
        )
        self.url = args.design.url
        self.register_outputs({"url": self.url, "smoke": self.smoke.result})
