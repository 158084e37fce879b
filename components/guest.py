"""A KVM guest: its volumes, its seed disk and the domain that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_libvirt as libvirt

from components.commands import HOSTS
from components.root_volume import flat_root, overlay_root
from nordgate.design.gateway_design import GatewayDesign
from nordgate.machine import canonical_stylesheet


@dataclass(frozen=True)
class GuestArgs:
    """`image_id`, `network_id` and `pool` are what other resources make on the guest's hypervisor.

    `seed_disk` is the seed's file, relative to the project. The guest stands on the host's `bridge` or, by
    `macvtap`, on its network card, or in the network that was made for lack of both.
    """

    design: GatewayDesign
    seed_disk: str
    image_id: pulumi.Input[str]
    bridge: str | None
    macvtap: str | None
    network_id: pulumi.Input[str] | None
    pool: pulumi.Input[str]
    provider: libvirt.Provider
    protect_data: bool
    after: Sequence[pulumi.Resource]
    """What must have succeeded before this guest is touched."""
    check_number: int
    """Another one runs the smoke check again."""
    guest_number: int
    """Another one makes the guest anew."""


class Guest(pulumi.ComponentResource):
    """A guest that is replaced, never changed. Its data volume outlives it.

    The root volume and the seed disk carry the fingerprint in their names, so that any change of seed, image or
    hardware makes new ones, and the domain that uses them is replaced with them. The files that the seed puts into
    the guest, and its network's, are inputs of the component: a preview shows what changes in each.
    """

    def __init__(self, name: str, args: GuestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        design, machine = args.design, args.design.machine
        files = {"network-config": design.seed.network_config}
        files |= {path: file.content for path, file in design.seed.files.items()}
        super().__init__("nordgate:guest:Guest", name, {"files": files}, opts)
        child = pulumi.ResourceOptions(parent=self)

        def options(**extra: object) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, provider=args.provider, **extra)  # type: ignore[arg-type]

        data = command.local.Command(
            f"{name}-data",
            create=f"{HOSTS} create-volume",
            # Nothing but the size can change, and nothing replaces it.
            update=f"{HOSTS} grow-volume",
            delete=f"{HOSTS} delete-volume",
            stdin=pulumi.Output.from_input(args.pool).apply(lambda _: design.data_volume_request),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=args.protect_data)),
        )
        # The next root and seed are made before the domain's turn, the last ones are deleted after it.
        turn = [data, *args.after]
        mark = design.mark_of_guest(args.guest_number)
        self.root, self.seed = design.root_volume(mark), design.seed_volume(mark)
        if machine.profile.root == "flat":
            of_command = pulumi.ResourceOptions(parent=self, delete_before_replace=False, depends_on=turn)
            root_id = flat_root(name, self.root, args.image_id, args.pool, machine.pool_path, design.uri, of_command)
        else:
            kept = options(delete_before_replace=False, depends_on=turn)
            root_id = overlay_root(name, self.root, args.image_id, args.pool, kept)
        seed = libvirt.Volume(
            f"{name}-seed",
            name=self.seed,
            pool=args.pool,
            source=args.seed_disk,
            format="raw",
            # The name says what is inside; where the file lay does not matter.
            opts=options(delete_before_replace=False, ignore_changes=["source"], depends_on=turn),
        )
        # The provider would cut the guest off, and fails on one that is gone already. So it never deletes the domain:
        # this does, after a clean shutdown, before the next domain is made.
        power = command.local.Command(
            f"{name}-power",
            delete=f"{HOSTS} remove",
            stdin=design.shut_down_request,
            # Also what must outlive the guest when all of it is deleted.
            triggers=[root_id, seed.id, args.bridge, args.macvtap, args.network_id],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=turn),
        )
        domain = self._domain(name, args, [root_id, seed.id], [data, power])
        # What depends on the domain is deleted before it: so the guest ends with it also where the domain is deleted
        # alone, by `destroy --target` or `up --replace`, and the power above stays as it is.
        command.local.Command(
            f"{name}-end",
            delete=f"{HOSTS} remove",
            stdin=design.shut_down_request,
            triggers=[domain.id],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.uuid = domain.id
        self.register_outputs({"uuid": self.uuid, "fingerprint": design.fingerprint})

    def _domain(
        self, name: str, args: GuestArgs, disks: list[pulumi.Output[str]], after: list[pulumi.Resource]
    ) -> libvirt.Domain:
        """The domain, with root and seed disk of these volumes; made after those resources."""
        design, machine = args.design, args.design.machine
        root_id, seed_id = disks
        return libvirt.Domain(
            f"{name}-domain",
            name=design.domain,
            type=machine.profile.accelerator,
            machine=machine.profile.machine_type,
            cpu=libvirt.DomainCpuArgs(mode=machine.profile.cpu_mode),
            vcpu=machine.vcpus,
            memory=machine.memory >> 20,
            autostart=True,
            # Readiness is waited for, with progress and a bound, by the smoke check.
            qemu_agent=False,
            disks=[
                libvirt.DomainDiskArgs(volume_id=root_id),
                libvirt.DomainDiskArgs(block_device=machine.data_path)
                if machine.data_is_device
                else libvirt.DomainDiskArgs(volume_id=machine.data_path),
                libvirt.DomainDiskArgs(volume_id=seed_id),
            ],
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
            xml=libvirt.DomainXmlArgs(xslt=canonical_stylesheet(design.stylesheet)),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.provider,
                delete_before_replace=True,
                retain_on_delete=True,
                depends_on=after,
                # The provider accepts these edits and never applies them; "#initerror" is a start that failed.
                replace_on_changes=[
                    "disks", "cpu", "machine", "networkInterfaces[*].bridge",
                    "networkInterfaces[*].macvtap", "networkInterfaces[*].networkId", "networkInterfaces[*].mac",
                    "#initerror",
                ],
            ),
        )  # fmt: skip
