"""The disk image in a host's pool, shared by the stack's guests there."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_command as command

from components.commands import HOSTS
from nordgate.design.gateway_design import image_name
from nordgate.design.image import VerifiedImage


@dataclass(frozen=True)
class BaseImageArgs:
    """`image` has been verified against its checksum; `pool_path` is the folder of `pool` on the host at `uri`."""

    stack: str
    image: VerifiedImage
    uri: str
    pool: pulumi.Input[str]
    pool_path: str


class BaseImage(pulumi.ComponentResource):
    """The image under a name that carries its content: another image is another volume."""

    def __init__(self, name: str, args: BaseImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:image:BaseImage", name, None, opts)
        volume = image_name(args.stack, args.image)
        path = f"{args.pool_path}/{volume}"
        stored = command.local.Command(
            f"{name}-volume",
            create=f"{HOSTS} store-image",
            # The name says what is inside; where the file lay when it was sent, and how the host is reached, does not.
            update="true",
            delete=f"{HOSTS} delete-image",
            stdin=pulumi.Output.json_dumps(
                {"uri": args.uri, "pool": args.pool, "name": volume, "file": args.image.file}
            ),
            triggers=[path],
            logging=command.local.Logging.STDERR,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Guests still stand on the old image while the new one arrives.
                delete_before_replace=False,
            ),
        )
        self.volume_id = stored.id.apply(lambda _: path)
        self.register_outputs({"volume": volume})
