"""The image that a stack declares: its file and its checksum, before anybody has looked at the file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_settings import Image

FOLDER = Path(".nordgate/images")
"""Where downloads are kept, relative to the project."""


@dataclass(frozen=True)
class VerifiedImage:
    """A qcow2 file, as a path relative to the project, and the checksum of its content, in hexadecimal digits."""

    file: str
    checksum: str
    algorithm: Literal["sha256", "sha512"] = "sha256"
    url: str | None = None
    """Where the file comes from when it is not there."""


def declared(image: Image, project: Path, source: str) -> VerifiedImage:
    """The image and the checksum that it is declared to have; baked images have theirs in the manifest.

    Reads no image and no network. Raises SettingsError, which blames `source`, when a manifest is not there.
    """
    if checksum := image.sha256 or image.sha512:
        file = image.file or str(FOLDER / f"{checksum[:16]}.qcow2")
        return VerifiedImage(file, checksum, "sha256" if image.sha256 else "sha512", image.url)
    try:
        manifest = json.loads((project / str(image.file)).read_text())
        return VerifiedImage(manifest["file"], manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            source, [("image.file", f'{image.file} is no manifest of a baked image: run "make image" first')]
        ) from None
