"""One output that holds the answers to several questions, told apart by markers."""

from __future__ import annotations

import re

_MARKER = re.compile(r"%%nordgate ([^%\n]+)%%")


def marker(name: str) -> str:
    """The line that begins the section `name`; nordgate/preflight/probe.sh writes the same."""
    return f"%%nordgate {name}%%"


def split(text: str) -> dict[str, str]:
    """The sections of `text` by name, each stripped; what stands before the first marker is dropped."""
    pieces = _MARKER.split(text)
    return {name: body.strip() for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}
