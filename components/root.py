"""The disk that a guest boots from, made of the image on its host."""

from __future__ import annotations

import shlex

import pulumi
import pulumi_command as command
import pulumi_libvirt as libvirt

_COPIES = ".nordgate/venv/bin/python -m hosts.copies"
"""Relative to the project, where Pulumi runs its plugins: no checkout's path enters the resource."""


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
    made_of = pulumi.Output.all(pool, image_id)
    copy = made_of.apply(lambda of: _line("copy", "--uri", uri, "--pool", of[0], "--name", volume, "--image", of[1]))
    delete = made_of.apply(lambda of: _line("delete", "--uri", uri, "--pool", of[0], "--name", volume))
    copied = command.local.Command(
        f"{name}-root",
        create=copy,
        # A volume is never copied over: another one has another name.
        update="true",
        delete=delete,
        # What clears up after a killed run knows the volume by this path.
        triggers=[path, image_id],
        logging=command.local.Logging.STDERR,
        opts=opts,
    )
    return copied.id.apply(lambda _: path)


def _line(*words: str) -> str:
    return f"{_COPIES} {shlex.join(words)}"
