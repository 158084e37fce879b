"""A KVM guest: its volumes, its seed disk and the domain that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_libvirt as libvirt

from stacks.design import GatewayDesign

HOSTS = ".nordgate/venv/bin/python -m hosts"
"""Relative to the project, where Pulumi runs its plugins: no checkout's path enters a resource."""


@dataclass(frozen=True)
class GuestArgs:
    """`image_id`, `network_id` and `pool` are what other resources make on the guest's hypervisor.

    `seed_disk` is the seed's file, relative to the project. The guest stands on the host's `bridge`, or in the
    network that was made for lack of one.
    """

    design: GatewayDesign
    seed_disk: str
    image_id: pulumi.Input[str]
    bridge: str | None
    network_id: pulumi.Input[str] | None
    pool: pulumi.Output[str]
    provider: libvirt.Provider
    protect_data: bool
    after: Sequence[pulumi.Resource]
    """What must have succeeded before this guest is touched."""
    generation: pulumi.Input[int]
    """Another one runs the smoke check again."""


class Guest(pulumi.ComponentResource):
    """A guest that is replaced, never changed. Its data volume outlives it.

    The root volume and the seed disk carry the fingerprint in their names, so that any change of seed, image or
    hardware makes new ones, and the domain that uses them is replaced with them. The files that the seed puts into
    the guest are inputs of the component: a preview shows what changes in each.
    """

    def __init__(self, name: str, args: GuestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        design = args.design
        files = {path: file.content for path, file in design.seed.files.items()}
        super().__init__("nordgate:guest:Guest", name, {"files": files}, opts)
        child = pulumi.ResourceOptions(parent=self)

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
        seed = libvirt.Volume(
            f"{name}-seed",
            name=f"{design.domain}-seed-{design.mark}.raw",
            pool=args.pool,
            source=args.seed_disk,
            format="raw",
            # The name says what is inside; where the file lay does not matter.
            opts=options(delete_before_replace=False, ignore_changes=["source"]),
        )
        data = command.local.Command(
            f"{name}-data",
            create=f"{HOSTS} create-volume",
            # Nothing but the size can change, and nothing replaces it.
            update=f"{HOSTS} grow-volume",
            delete=f"{HOSTS} delete-volume",
            stdin=args.pool.apply(design.data_volume_request),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=args.protect_data)),
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
            disks=[
                libvirt.DomainDiskArgs(volume_id=root.id),
                libvirt.DomainDiskArgs(volume_id=design.data_path),
                libvirt.DomainDiskArgs(volume_id=seed.id),
            ],
            network_interfaces=[
                libvirt.DomainNetworkInterfaceArgs(
                    bridge=args.bridge, network_id=args.network_id, mac=design.mac, wait_for_lease=False
                )
            ],
            consoles=[libvirt.DomainConsoleArgs(type="pty", target_port="0", target_type="serial")],
            xml=libvirt.DomainXmlArgs(xslt=design.stylesheet),
            opts=options(
                delete_before_replace=True,
                depends_on=[data, *args.after],
                # The provider accepts these edits and never applies them; "#initerror" is a start that failed.
                replace_on_changes=[
                    "disks", "cpu", "machine", "networkInterfaces[*].bridge",
                    "networkInterfaces[*].networkId", "networkInterfaces[*].mac", "#initerror",
                ],
            ),
        )  # fmt: skip
        # The provider cuts guests off. This goes before the domain does, and so shuts the guest down.
        command.local.Command(
            f"{name}-power",
            delete=f"{HOSTS} shut-down",
            stdin=design.shut_down_request,
            triggers=[domain.id, design.fingerprint],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.uuid = domain.id
        self.register_outputs({"uuid": self.uuid, "fingerprint": design.fingerprint})
