"""`python -m hosts VERB`, with what it is about as JSON on the standard input: what the components run on deployments.

store-image, delete-image                   the image of a host's guests: see nordgate.hypervisor.images
create-volume, grow-volume, delete-volume   a gateway's data volume: see nordgate.hypervisor.volumes
copy-root, delete-root                      a gateway's flat root: see nordgate.hypervisor.root_copies
remove                                      a gateway's guest, after a clean shutdown: see nordgate.hypervisor.power
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nordgate.errors import NordgateError
from nordgate.hypervisor import images, pools, power, root_copies, volumes
from nordgate.hypervisor.requests import Request, read

VERBS: Mapping[str, tuple[type[Request], Callable[[Any], str | None]]] = {
    "store-image": (images.Image, images.store),
    "delete-image": (images.Image, pools.delete),
    "create-volume": (volumes.DataVolume, volumes.create),
    "grow-volume": (volumes.DataVolume, volumes.grow),
    "delete-volume": (volumes.DataVolume, pools.delete),
    "copy-root": (root_copies.Copy, root_copies.copy),
    "delete-root": (root_copies.Copy, pools.delete),
    "remove": (power.Guest, power.remove),
}
"""What each is about, and what carries it out. None is ever taken out: states keep them (requests.py)."""


def main(verb: str, text: str) -> None:
    """Carry out one verb; a volume's path goes to the standard output. Raises NordgateError."""
    if verb not in VERBS:
        raise NordgateError(f"there is no verb {verb!r}.\n{__doc__}")
    kind, carry_out = VERBS[verb]
    if found := carry_out(read(kind, verb, text)):
        print(found)
