"""The disk image in a host's pool, shared by the stack's guests there."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_libvirt as libvirt

from stacks.design import image_name
from stacks.image import VerifiedImage


@dataclass(frozen=True)
class BaseImageArgs:
    """`image` has been verified against its checksum."""

    stack: str
    image: VerifiedImage
    pool: pulumi.Input[str]
    provider: libvirt.Provider


class BaseImage(pulumi.ComponentResource):
    """The image under a name that carries its content: another image is another volume."""

    def __init__(self, name: str, args: BaseImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:image:BaseImage", name, None, opts)
        volume = libvirt.Volume(
            f"{name}-volume",
            name=image_name(args.stack, args.image),
            pool=args.pool,
            source=args.image.file,
            format="qcow2",
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.provider,
                # The name says what is inside; where the file lay when it was uploaded does not matter.
                ignore_changes=["source"],
                # Guests still stand on the old image while the new one arrives.
                delete_before_replace=False,
            ),
        )
        self.volume_id = volume.id
        self.register_outputs({"volume": volume.name})
