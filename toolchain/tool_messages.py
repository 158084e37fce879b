"""What apt, pip, Go and others say of a full disk or a missing network: each sentence of theirs stands here once."""

from __future__ import annotations

from enum import Enum

ENGLISH = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""Environment of a tool whose messages are read. LANGUAGE alone would still translate under C.UTF-8."""


class Said(Enum):
    """A message that something depends on; the value is what only it contains, one of several where tools differ."""

    DISK_FULL = ("No space left on device", "Disk quota exceeded")
    NO_NETWORK = (
        "Temporary failure",
        "Name or service not known",
        "Network is unreachable",
        "no such host",
        "onnection refused",
        "i/o timeout",
    )
    DPKG_INTERRUPTED = ("dpkg was interrupted",)

    def within(self, text: object) -> bool:
        """Whether `text`, a message or the problem made of one, says this."""
        return any(words in str(text) for words in self.value)
