"""Rules between a gateway's settings, its guest and its platform."""

from __future__ import annotations

from collections.abc import Collection

from cloudinit.addresses import is_loopback
from cloudinit.gateway_settings import GatewaySettings
from cloudinit.guest_settings import GuestSettings
from cloudinit.platforms import Platform
from cloudinit.upstreams import group
from cloudinit.violations import Violation


def broken_rules(guest: GuestSettings, gateway: GatewaySettings, platform: Platform) -> list[Violation]:
    """Every broken rule, each at its setting of the gateway; empty when all fit together."""
    found = []
    if gateway.tls.http3 and not platform.http3_module:
        rule = f"nginx {platform.nginx} of {platform.title} has no HTTP/3"
        found.append(Violation(("tls", "http3"), True, rule))
    if gateway.tls.ocsp_stapling and not guest.resolvers:
        rule = "needs a DNS server to find the certificate's responder, and the guest has no resolvers"
        found.append(Violation(("tls", "ocspStapling"), True, rule))
    found += gateway.kernel.unknown_to(platform.kernel)
    found += own_upstreams(gateway, (str(guest.address.ip),))
    versions = {guest.address.version}
    found += [
        Violation(("upstreams", name, "servers", index, "address"), server.address, "the guest has no IPv6 address")
        for name, group in gateway.upstreams.items()
        for index, server in enumerate(group.servers)
        if server.address.startswith("[") and versions == {4}
    ]
    found += [
        Violation(
            ("upstreams", name, "servers", index, "address"),
            server.address,
            f"{server.address} is a name: it needs a DNS server to find it, and the guest has no resolvers",
        )
        for name, declared in gateway.upstreams.items()
        for index, server in enumerate(declared.servers)
        if not guest.resolvers and group(name, gateway).servers[index].is_name
    ]
    return found


def own_upstreams(gateway: GatewaySettings, addresses: Collection[str]) -> list[Violation]:
    """Servers that are a listener of the gateway, or of another one that has one of the `addresses` and the same names.

    Each request would come back, and go out again, until no connection is left.
    """
    found = []
    for name, declared in gateway.upstreams.items():
        for index, server in enumerate(declared.servers):
            host, _, port = server.address.rpartition(":")
            host, inside = host.strip("[]"), is_loopback(host)
            listening = gateway.ports if inside else gateway.ports[:2]
            if int(port) in listening and (inside or host in addresses or host in gateway.server_names):
                rule = f"{server.address} is the gateway itself: every request would come back to it"
                found.append(Violation(("upstreams", name, "servers", index, "address"), server.address, rule))
    return found
