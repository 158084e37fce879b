"""Names that machines go by, derived from the stack: the same after every rebuild, and the mark of what is ours."""

from __future__ import annotations

import hashlib
import uuid

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "nordgate")


def derived_uuid(stack: str, kind: str, name: str) -> str:
    """The libvirt UUID of the stack's `kind` (`domain`, `pool`, `network`) called `name`.

    libvirt refuses a second definition under another UUID, so a retry after a failed start meets its own
    definition again instead of an orphan.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{stack}/{kind}/{name}"))


def derived_mac(stack: str, name: str) -> str:
    """A MAC address in QEMU's own range, 52:54:00."""
    tail = hashlib.sha256(f"{stack}/mac/{name}".encode()).digest()[:3]
    return "52:54:00:" + tail.hex(":")
