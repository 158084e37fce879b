"""What is asked of the network: the addresses of a name, and whether a server answers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from .table import Endpoint, Health, trusted

_PATIENCE = 2.0
"""Seconds for all resolvers together."""


class NoAddress(Exception):
    """A name for which no address came; `unknown` where DNS says that there is none."""

    def __init__(self, why: str, unknown: bool) -> None:
        super().__init__(why)
        self.unknown = unknown


def addresses_of(name: str, resolvers: Sequence[str], families: Sequence[int]) -> tuple[list[str], float]:
    """The addresses that a server can have, and for how many seconds they hold. Raises NoAddress."""
    # Only guests with names have it.
    import dns.exception  # type: ignore[import-not-found]
    import dns.resolver  # type: ignore[import-not-found]

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = list(resolvers)
    resolver.timeout, resolver.lifetime = _PATIENCE / max(2, len(resolvers)), _PATIENCE
    found: list[str] = []
    untrusted: list[str] = []
    ttls: list[float] = []
    for family in families:
        try:
            answer = resolver.resolve(f"{name}.", {4: "A", 6: "AAAA"}[family], raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            raise NoAddress("does not exist in DNS", unknown=True) from None
        except (dns.exception.DNSException, OSError) as error:
            raise NoAddress(f"no resolver answers ({type(error).__name__})", unknown=False) from None
        ttls.append(answer.chaining_result.minimum_ttl)
        for record in answer.rrset or ():
            address = trusted(record.address, families)
            found += [address] if address else []
            untrusted += [] if address else [record.address]
    if not found and untrusted:
        raise NoAddress(f"is {', '.join(untrusted)} in DNS, which no server can have", unknown=True)
    if not found:
        raise NoAddress("has no address in DNS", unknown=True)
    return found, min(ttls)


def trouble_with(endpoint: Endpoint, health: Health) -> str:
    """What is wrong with a server, in a few words; empty when it answers as it should."""
    try:
        with socket.create_connection((endpoint.address, endpoint.port), timeout=health.interval) as connection:
            return _answer(connection, health) if health.path else ""
    except TimeoutError:
        return f"silent for {health.interval:g} s"
    except ssl.SSLError as error:
        return f"TLS: {error.reason or error}"
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _answer(connection: socket.socket, health: Health) -> str:
    if health.tls_name:
        context = ssl.create_default_context(cafile=health.tls_ca)
        connection = context.wrap_socket(connection, server_hostname=health.tls_name)
    lines = (f"GET {health.path} HTTP/1.1", f"Host: {health.host}", "User-Agent: nordgate", "Connection: close")
    connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    status = b""
    while b"\r\n" not in status and len(status) < 1024:
        more = connection.recv(1024)
        if not more:
            break
        status += more
    words = status.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1][:3].isdigit():
        return f"no HTTP answer for {health.path}"
    code = int(words[1][:3])
    return "" if 200 <= code < 300 else f"{code} for {health.path}"
