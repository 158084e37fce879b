"""The image that a stack names, found and verified."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from stacks.problems import SettingsError
from stacks.settings import Image


@dataclass(frozen=True)
class VerifiedImage:
    """A qcow2 file, as a path relative to the project, and the SHA-256 of its content."""

    file: str
    sha256: str


def declared(image: Image, project: Path, source: str) -> VerifiedImage:
    """The image and the checksum that it is declared to have; baked images have theirs in the manifest.

    Raises SettingsError, which blames `source`, when the image is not there.
    """
    if image.sha256:
        return VerifiedImage(image.file, image.sha256)
    try:
        manifest = json.loads((project / image.file).read_text())
        return VerifiedImage(manifest["file"], manifest["sha256"])
    except (OSError, ValueError, KeyError):
        raise SettingsError(
            source, [("image.file", f'{image.file} is no manifest of a baked image: run "make image" first')]
        ) from None


def verify(image: VerifiedImage, project: Path, source: str) -> None:
    """Compare the file with its checksum. Raises SettingsError when it is missing or differs."""
    try:
        with (project / image.file).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SettingsError(source, [("image.file", f"{image.file}: {error.strerror}")]) from None
    if found != image.sha256:
        raise SettingsError(source, [("image.sha256", f"{image.file} has {found}, declared is {image.sha256}")])
