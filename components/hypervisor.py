"""One KVM host as the stack sees it: the connection and the stack's own storage pools."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt

from hardware import derived_uuid, pool_stylesheet
from stacks.design import group_pool_name, shared_name
from stacks.settings import Hypervisor as HypervisorSettings


@dataclass(frozen=True)
class HypervisorArgs:
    """`stack` marks what is made on the host; the settings say where it is."""

    stack: str
    settings: HypervisorSettings


class Hypervisor(pulumi.ComponentResource):
    """A provider for the host's libvirt, and pools named after the stack. Children of others use `provider`.

    `data_pool` is the one for data volumes: the host's volume group where the settings name one, else the same.
    """

    def __init__(self, name: str, args: HypervisorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:hypervisor:Hypervisor", name, None, opts)
        self.provider = libvirt.Provider(name, uri=args.settings.uri, opts=pulumi.ResourceOptions(parent=self))
        options = pulumi.ResourceOptions(parent=self, provider=self.provider, delete_before_replace=True)
        pool_name = shared_name(args.stack)
        self.pool = libvirt.Pool(
            f"{name}-pool",
            name=pool_name,
            type="dir",
            target=libvirt.PoolTargetArgs(path=args.settings.pool_path),
            xml=libvirt.PoolXmlArgs(xslt=pool_stylesheet(derived_uuid(args.stack, "pool", pool_name))),
            opts=options,
        )
        self.data_pool = self.pool
        if group := args.settings.volume_group:
            group_name = group_pool_name(args.stack)
            self.data_pool = libvirt.Pool(
                f"{name}-group",
                name=group_name,
                type="logical",
                # By name alone: told its devices, the provider would make the group, and delete it with the stack.
                source=libvirt.PoolSourceArgs(name=group),
                target=libvirt.PoolTargetArgs(path=f"/dev/{group}"),
                xml=libvirt.PoolXmlArgs(xslt=pool_stylesheet(derived_uuid(args.stack, "pool", group_name))),
                opts=options,
            )
        self.register_outputs({"pool": self.pool.name})
