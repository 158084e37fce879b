"""`python -m hosts VERB`, with what it is about as JSON on the standard input: what the components run on deployments.

store-image, delete-image                   the image of a host's guests: see hosts.images
create-volume, grow-volume, delete-volume   a gateway's data volume: see hosts.volumes
copy-root, delete-root                      a gateway's flat root: see hosts.copies
remove                                      a gateway's guest, after a clean shutdown: see hosts.power
"""

from __future__ import annotations

import sys

from pydantic import ValidationError

from hosts import copies, images, pools, power, volumes
from hosts.problems import Problem


def main(verb: str, text: str) -> None:
    """Carry out one verb; a volume's path goes to the standard output."""
    match verb:
        case "store-image":
            print(images.store(images.Image.model_validate_json(text)))
        case "delete-image":
            pools.delete(images.Image.model_validate_json(text))
        case "create-volume":
            print(volumes.create(volumes.DataVolume.model_validate_json(text)))
        case "grow-volume":
            print(volumes.grow(volumes.DataVolume.model_validate_json(text)))
        case "delete-volume":
            pools.delete(volumes.DataVolume.model_validate_json(text))
        case "copy-root":
            copies.copy(copies.Copy.model_validate_json(text))
        case "delete-root":
            pools.delete(copies.Copy.model_validate_json(text))
        case "remove":
            power.remove(power.Guest.model_validate_json(text))
        case _:
            raise Problem(f"there is no verb {verb!r}.\n{__doc__}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) == 2 else "", sys.stdin.read())
    except (Problem, ValidationError) as problem:
        sys.exit(f"nordgate: {problem}")
