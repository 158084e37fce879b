"""The declared groups of servers, and the text that nginx reads of them. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_ADDRESSES = 16
"""Of one name: nginx's shared memory has room for so many."""

# Without a server nginx does not start; this one is never asked.
_NONE = "server 0.0.0.0:1 down;"

Addresses = Mapping[str, Sequence[str]]
"""Of each name, as DNS has them."""


@dataclass(frozen=True)
class Server:
    """One declared server: an address or a name, its port, and what nginx is told besides."""

    host: str
    port: int
    options: str = ""
    backup: bool = False

    @property
    def is_name(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False


@dataclass(frozen=True)
class Health:
    """How a server is asked. Without a path, a connection that it accepts is enough."""

    interval: float = 2
    """Seconds from one question to the next, and the longest that an answer may take."""
    failures: int = 3
    successes: int = 2
    path: str = ""
    host: str = ""
    """The Host header of the question."""
    tls_name: str = ""
    """The name that the certificate must carry; empty: no TLS."""
    tls_ca: str = ""


@dataclass(frozen=True)
class Group:
    servers: tuple[Server, ...]
    health: Health = Health()

    @property
    def names(self) -> list[str]:
        return [server.host for server in self.servers if server.is_name]


@dataclass(frozen=True)
class Table:
    """All groups that are watched, and whom to ask for names."""

    groups: Mapping[str, Group]
    resolvers: tuple[str, ...] = ()
    families: tuple[int, ...] = (4,)
    """Versions of IP that the guest has: addresses of another could not be reached."""


@dataclass(frozen=True)
class Endpoint:
    """One address that requests can be sent to."""

    address: str
    port: int
    server: Server = field(compare=False)

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse(text: str) -> Table:
    """The table as the guest's file has it."""
    document: dict[str, Any] = json.loads(text)
    groups = {
        name: Group(tuple(Server(**server) for server in group["servers"]), Health(**group["health"]))
        for name, group in document["groups"].items()
    }
    return Table(groups, tuple(document["resolvers"]), tuple(document["families"]))


def trusted(text: object, families: Collection[int]) -> str | None:
    """The address in its shortest form; None where it is none that a server can have.

    What DNS says is not trusted: a name that leads to the gateway itself, or to the host's own services, would open
    to the world what listens there for the machine alone.
    """
    try:
        address = ipaddress.ip_address(text) if isinstance(text, str) and "%" not in text else None
    except ValueError:
        return None
    if address is None or address.version not in families:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    refused = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    return None if refused or mapped or address.is_reserved else str(address)


def endpoints(group: Group, addresses: Addresses) -> list[Endpoint]:
    """Every address of the group, each once, in the order of its servers."""
    found: dict[str, Endpoint] = {}
    for server in group.servers:
        for address in addresses.get(server.host, ()) if server.is_name else (server.host,):
            endpoint = Endpoint(address, server.port, server)
            found.setdefault(str(endpoint), endpoint)
    return list(found.values())


def server_lines(group: Group, addresses: Addresses, down: Collection[str] = ()) -> str:
    """The group's servers as nginx reads them, those of `down` left out of the balance."""
    lines = [
        f"# {host}: no address is known" for host in dict.fromkeys(group.names) if not addresses.get(host)
    ]  # fmt: skip
    live = endpoints(group, addresses)
    if all(endpoint.server.backup for endpoint in live):
        lines.append(_NONE)
    for endpoint in live:
        words = [
            f"server {endpoint}",
            "max_fails=0",
            endpoint.server.options,
            "backup" if endpoint.server.backup else "",
            "down" if str(endpoint) in down else "",
        ]
        comment = f" # {endpoint.server.host}" if endpoint.server.is_name else ""
        lines.append(" ".join(filter(None, words)) + ";" + comment)
    return "".join(f"{line}\n" for line in lines)
