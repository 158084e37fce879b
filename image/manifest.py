"""The manifest: what the baked image is, for the programs that use it and the people who audit it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Manifest:
    """What is written beside an image. `file` is relative to the checkout."""

    file: str
    sha256: str
    bytes: int
    virtual_size: int
    recipe: str
    tree: str
    kernel: str
    packages: dict[str, str]

    def write(self, path: Path) -> None:
        """Put the manifest in place at once, never in part."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)


def read(path: Path) -> Manifest | None:
    """The manifest at `path`; None if there is none, or one of another make."""
    try:
        return Manifest(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_current(manifest: Manifest | None, recipe: str, checkout: Path) -> bool:
    """Whether the image of `manifest` is whole and was baked from `recipe`."""
    if manifest is None or manifest.recipe != recipe:
        return False
    image = checkout / manifest.file
    return image.is_file() and image.stat().st_size == manifest.bytes
