"""One KVM host as the stack sees it: the connection and the stack's own storage pool."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt

from nordgate.design.gateway_design import shared_name
from nordgate.machine import derived_uuid, pool_stylesheet
from nordgate.settings.hypervisor_settings import HypervisorSettings


@dataclass(frozen=True)
class HypervisorArgs:
    """`stack` marks what is made on the host; the settings say where it is."""

    stack: str
    settings: HypervisorSettings


class Hypervisor(pulumi.ComponentResource):
    """A provider for the host's libvirt, and a pool named after the stack. Children of others use `provider`.

    libvirt's pool of a volume group is the host's own: to stop one is to deactivate every volume of the group.
    """

    def __init__(self, name: str, args: HypervisorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:hypervisor:Hypervisor", name, None, opts)
        self.provider = libvirt.Provider(name, uri=args.settings.uri, opts=pulumi.ResourceOptions(parent=self))
        pool_name = shared_name(args.stack)
        self.pool = libvirt.Pool(
            f"{name}-pool",
            name=pool_name,
            type="dir",
            target=libvirt.PoolTargetArgs(path=args.settings.pool_path),
            xml=libvirt.PoolXmlArgs(xslt=pool_stylesheet(derived_uuid(args.stack, "pool", pool_name))),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self.provider,
                delete_before_replace=True,
                # It says the UUID alone, which comes of the names: no blank in it is worth a pool.
                ignore_changes=["xml"],
            ),
        )
        self.register_outputs({"pool": self.pool.name})
