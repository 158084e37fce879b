"""A KVM guest: its volumes, its seed disk and the domain that uses them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt

from components.root import flat_root, overlay_root
from stacks.design import GatewayDesign


@dataclass(frozen=True)
class GuestArgs:
    """`image_id`, `network_id` and `pool` are what other resources make on the guest's hypervisor.

    The guest stands on the host's `bridge` or, by `macvtap`, on its network card, or in the network that was made for
    lack of both.
    """

    design: GatewayDesign
    image_id: pulumi.Input[str]
    bridge: str | None
    macvtap: str | None
    network_id: pulumi.Input[str] | None
    pool: pulumi.Input[str]
    provider: libvirt.Provider
    uri: str
    protect_data: bool


class Guest(pulumi.ComponentResource):
    """A guest that is replaced, never changed. Its data volume outlives it.

    The root volume and the seed disk carry the fingerprint in their names, so that any change of seed, image or
    hardware makes new ones, and the domain that uses them is replaced with them.
    """

    def __init__(self, name: str, args: GuestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:guest:Guest", name, None, opts)
        design, machine = args.design, args.design.machine

        def options(**extra: object) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, provider=args.provider, **extra)  # type: ignore[arg-type]

        # Root and seed of the next guest are made before, and those of the last deleted after, the domain's turn.
        kept = options(delete_before_replace=False)
        if machine.profile.root == "flat":
            of_command = pulumi.ResourceOptions(parent=self, delete_before_replace=False)
            root_id = flat_root(
                name, design.root_volume, args.image_id, args.pool, machine.pool_path, args.uri, of_command
            )
        else:
            root_id = overlay_root(name, design.root_volume, args.image_id, args.pool, kept)
        data = libvirt.Volume(
            f"{name}-data",
            name=design.data_volume,
            pool=args.pool,
            size=design.data_bytes,
            format="raw",
            # Every argument of a volume replaces it: an edit of settings must never do that to data.
            opts=options(protect=args.protect_data, ignore_changes=["size", "format", "pool"]),
        )
        seed = libvirt.CloudInitDisk(
            f"{name}-seed",
            name=f"{design.domain}-seed-{design.mark}.iso",
            pool=args.pool,
            user_data=design.seed.user_data,
            meta_data=design.seed.meta_data,
            network_config=design.seed.network_config,
            opts=kept,
        )
        domain = libvirt.Domain(
            f"{name}-domain",
            name=design.domain,
            type=machine.profile.accelerator,
            machine="q35",
            cpu=libvirt.DomainCpuArgs(mode=machine.profile.cpu_mode),
            vcpu=machine.vcpus,
            memory=machine.memory >> 20,
            autostart=True,
            # Readiness is waited for, with progress and a bound, by the smoke check.
            qemu_agent=False,
            disks=[libvirt.DomainDiskArgs(volume_id=root_id), libvirt.DomainDiskArgs(volume_id=data.id)],
            cloudinit=seed.id,
            network_interfaces=[
                libvirt.DomainNetworkInterfaceArgs(
                    bridge=args.bridge,
                    macvtap=args.macvtap,
                    network_id=args.network_id,
                    mac=machine.mac,
                    wait_for_lease=False,
                )
            ],
            consoles=[libvirt.DomainConsoleArgs(type="pty", target_port="0", target_type="serial")],
            xml=libvirt.DomainXmlArgs(xslt=design.stylesheet),
            opts=options(
                delete_before_replace=True,
                # The provider accepts these edits and never applies them; "#initerror" is a start that failed.
                replace_on_changes=[
                    "disks", "cloudinit", "cpu", "machine", "networkInterfaces[*].bridge",
                    "networkInterfaces[*].macvtap", "networkInterfaces[*].networkId", "networkInterfaces[*].mac",
                    "#initerror",
                ],
            ),
        )  # fmt: skip
        self.uuid = domain.id
        self.register_outputs({"uuid": self.uuid, "fingerprint": design.fingerprint})
