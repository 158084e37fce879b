"""The disk that a guest boots from, made of the image on its host."""

from __future__ import annotations

import pulumi
import pulumi_command as command
import pulumi_libvirt as libvirt

from components.commands import HOSTS


def overlay_root(
    name: str,
    volume: str,
    image_id: pulumi.Input[str],
    pool: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """An overlay over the image: there at once, and as small as what the guest writes."""
    root = libvirt.Volume(f"{name}-root", name=volume, pool=pool, base_volume_id=image_id, format="qcow2", opts=opts)
    return root.id


def flat_root(
    name: str,
    volume: str,
    image_id: pulumi.Input[str],
    pool: pulumi.Input[str],
    pool_path: str,
    uri: str,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """A raw copy of the image, made by the host: the provider could only upload the image once more for each guest."""
    path = f"{pool_path}/{volume}"
    copied = command.local.Command(
        f"{name}-root",
        create=f"{HOSTS} copy-root",
        # A volume is never copied over: another one has another name.
        update="true",
        delete=f"{HOSTS} delete-root",
        stdin=pulumi.Output.json_dumps({"uri": uri, "pool": pool, "name": volume, "image": image_id}),
        # What clears up after a killed run knows the volume by this path.
        triggers=[path, image_id],
        logging=command.local.Logging.STDERR,
        opts=opts,
    )
    return copied.id.apply(lambda _: path)
