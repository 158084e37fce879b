"""A KVM guest: its volumes, its seed disk and the domain that uses them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt

from stacks.design import GatewayDesign


@dataclass(frozen=True)
class GuestArgs:
    """`image_id`, `network_id` and the pools are what other resources make on the guest's hypervisor.

    The guest stands on the host's `bridge`, or in the network that was made for lack of one.
    """

    design: GatewayDesign
    image_id: pulumi.Input[str]
    bridge: str | None
    network_id: pulumi.Input[str] | None
    pool: pulumi.Input[str]
    data_pool: pulumi.Input[str]
    provider: libvirt.Provider
    protect_data: bool


class Guest(pulumi.ComponentResource):
    """A guest that is replaced, never changed. Its data volume outlives it.

    The root volume and the seed disk carry the fingerprint in their names, so that any change of seed, image or
    hardware makes new ones, and the domain that uses them is replaced with them.
    """

    def __init__(self, name: str, args: GuestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:guest:Guest", name, None, opts)
        design = args.design

        def options(**extra: object) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, provider=args.provider, **extra)  # type: ignore[arg-type]

        # Root and seed of the next guest are made before, and those of the last deleted after, the domain's turn.
        root = libvirt.Volume(
            f"{name}-root",
            name=f"{design.domain}-root-{design.mark}.qcow2",
            pool=args.pool,
            base_volume_id=args.image_id,
            format="qcow2",
            opts=options(delete_before_replace=False),
        )
        data = libvirt.Volume(
            f"{name}-data",
            name=design.data_name,
            pool=args.data_pool,
            size=design.data_volume,
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
            opts=options(delete_before_replace=False),
        )
        domain = libvirt.Domain(
            f"{name}-domain",
            name=design.domain,
            type=design.profile.accelerator,
            machine="q35",
            cpu=libvirt.DomainCpuArgs(mode=design.profile.cpu_mode),
            vcpu=design.vcpus,
            memory=design.memory >> 20,
            autostart=True,
            # Readiness is waited for, with progress and a bound, by the smoke check.
            qemu_agent=False,
            disks=[libvirt.DomainDiskArgs(volume_id=root.id), libvirt.DomainDiskArgs(volume_id=data.id)],
            cloudinit=seed.id,
            network_interfaces=[
                libvirt.DomainNetworkInterfaceArgs(
                    bridge=args.bridge, network_id=args.network_id, mac=design.mac, wait_for_lease=False
                )
            ],
            consoles=[libvirt.DomainConsoleArgs(type="pty", target_port="0", target_type="serial")],
            xml=libvirt.DomainXmlArgs(xslt=design.stylesheet),
            opts=options(
                delete_before_replace=True,
                # The provider accepts these edits and never applies them; "#initerror" is a start that failed.
                replace_on_changes=[
                    "disks", "cloudinit", "cpu", "machine", "networkInterfaces[*].bridge",
                    "networkInterfaces[*].networkId", "networkInterfaces[*].mac", "#initerror",
                ],
            ),
        )  # fmt: skip
        self.uuid = domain.id
        self.register_outputs({"uuid": self.uuid, "fingerprint": design.fingerprint})
