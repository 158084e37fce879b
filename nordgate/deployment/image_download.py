"""The image that a stack names: downloaded when it is not there, and verified."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from nordgate.design.image import VerifiedImage
from nordgate.settings.settings_error import SettingsError

_QCOW2 = b"QFI\xfb"
"""How every qcow2 file begins: docs/interop/qcow2.txt of QEMU."""

_CHUNK = 1 << 20
_PAUSE = 0.2
_SILENCE = 30
"""Seconds that a server may say nothing."""

_SLOWEST = 25_000
"""Bytes per second: what is slower than 0.2 Mbit/s has got stuck."""
_BEGINNING = 60
"""Seconds before that is asked."""

Progress = Callable[[str], None]


def verify(image: VerifiedImage, project: Path, source: str, progress: Progress) -> None:
    """See to it that the file is there and has its checksum; download it if it is not there and has a URL.

    Raises SettingsError, with both checksums when they differ. A file under its name has always been whole: a
    download that was cut off lies beside it and is begun anew.
    """
    path = project / image.file
    if image.url and not path.exists():
        _download(image, path, source, progress)
    try:
        with path.open("rb") as file:
            begin = file.read(len(_QCOW2))
            file.seek(0)
            found = hashlib.file_digest(file, image.algorithm).hexdigest()
    except OSError as error:
        raise SettingsError(source, [("image.file", f"{image.file}: {error.strerror}")]) from None
    if found != image.checksum:
        raise _differs(image, image.file, found, source)
    if begin != _QCOW2:
        raise SettingsError(source, [("image", f"{image.url or image.file} is no qcow2 file, which guests start from")])


def _differs(image: VerifiedImage, what: str, found: str, source: str) -> SettingsError:
    return SettingsError(source, [(f"image.{image.algorithm}", f"{what} has {found}, declared is {image.checksum}")])


def _download(image: VerifiedImage, path: Path, source: str, progress: Progress) -> None:
    """Fetch the file to beside its place; give it its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".part").open("ab") as part:
        _wait_for_another(image, part, source, progress)
        if path.exists():
            return
        part.truncate(0)
        try:
            found = _receive(image, part, progress)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            why = f"{error.code} {reason}" if isinstance(error, urllib.error.HTTPError) else reason
            part.truncate(0)
            raise SettingsError(source, [("image.url", f"{image.url} cannot be downloaded: {why}")]) from None
        if found != image.checksum:
            part.truncate(0)
            raise _differs(image, str(image.url), found, source)
        Path(part.name).replace(path)


def _wait_for_another(image: VerifiedImage, part: IO[bytes], source: str, progress: Progress) -> None:
    """Of two stacks that want the image, one fetches it; the other waits for as long as the file grows."""
    size, deadline = -1, 0.0
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if (now := os.fstat(part.fileno()).st_size) != size:
            if size < 0:
                progress("image: another run downloads it")
            size, deadline = now, time.monotonic() + _BEGINNING + 2 * _SILENCE
        if time.monotonic() > deadline:
            rule = f"{image.url} is downloaded by another run, and {part.name} does not grow: end it, and try again"
            raise SettingsError(source, [("image.url", rule)])
        time.sleep(_PAUSE)


def _receive(image: VerifiedImage, part: IO[bytes], progress: Progress) -> str:
    """Write what the server sends to `part`; its checksum. Raises ValueError when it sends less than it announced."""
    digest, received, told = hashlib.new(image.algorithm), 0, -1
    with urllib.request.urlopen(str(image.url), timeout=_SILENCE) as answer:  # noqa: S310 - settings allow only http(s)
        size = int(answer.headers.get("Content-Length") or 0)
        started = time.monotonic()
        while chunk := answer.read1(_CHUNK):
            part.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if (took := time.monotonic() - started) > _BEGINNING + received / _SLOWEST:
                raise ValueError(f"{received} bytes came in {took:.0f} s, which is less than 0.2 Mbit/s")
            if size and (tenth := received * 10 // size) > told:
                told = tenth
                progress(f"image: {received >> 20} of {size >> 20} MiB")
    if received < size:
        raise ValueError(f"the transfer ended after {received} of {size} bytes")
    part.flush()
    return digest.hexdigest()
