"""A small DNS server, for names of upstreams: answers A, AAAA and CNAME over UDP.

In a lab every name says its address: 10-81-0-21.lab.test is 10.81.0.21.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress

PORT = 53
Zone = Callable[[str], Sequence[str] | None]
"""Of a name its addresses, or the one name that it stands for; None: there is no such name."""

_TTL = 5
_TYPES = {4: 1, 6: 28}
_CNAME, _IN, _NO_SUCH_NAME = 5, 1, 3


def by_its_name(name: str) -> list[str] | None:
    """The address that a name of the lab says."""
    found = re.fullmatch(r"(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.lab\.test", name)
    return [".".join(found.groups())] if found else None


def answer(query: bytes, zone: Zone, ttl: int) -> bytes:
    """The answer to one question."""
    (number,) = struct.unpack("!H", query[:2])
    name, end = _name(query, 12)
    (kind,) = struct.unpack("!H", query[end : end + 2])
    records: list[bytes] = []
    code = 0
    alias: str | None = name
    while alias:
        name, alias = alias, None
        found = zone(name)
        code = _NO_SUCH_NAME if found is None else 0
        for text in found or ():
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                alias = text
                records.append(_record(name, _CNAME, ttl, _wire(text)))
            else:
                if _TYPES[address.version] == kind:
                    records.append(_record(name, kind, ttl, address.packed))
    # An answer, with authority, recursion asked for and had.
    head = struct.pack("!6H", number, 0x8580 | code, 1, len(records), 0, 0)
    return head + query[12 : end + 4] + b"".join(records)


def _name(packet: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := packet[at]:
        labels.append(packet[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower(), at + 1


def _wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _record(name: str, kind: int, ttl: int, data: bytes) -> bytes:
    return _wire(name) + struct.pack("!HHIH", kind, _IN, ttl, len(data)) + data


def main() -> None:
    """Answer until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("0.0.0.0", PORT))  # noqa: S104 - inside the lab's own network namespace
        while True:
            query, client = listener.recvfrom(4096)
            with suppress(struct.error, IndexError, UnicodeDecodeError):
                listener.sendto(answer(query, by_its_name, _TTL), client)


if __name__ == "__main__":
    main()
