"""Rules between a gateway's settings, its guest and its platform."""

from __future__ import annotations

from cloudinit.gateway import GatewaySettings
from cloudinit.guest import GuestSettings
from cloudinit.platforms import Platform
from cloudinit.problems import Problem
from cloudinit.upstreams import group


def broken_rules(guest: GuestSettings, gateway: GatewaySettings, platform: Platform) -> list[Problem]:
    """Every broken rule, each at its setting of the gateway; empty when all fit together."""
    found = []
    if gateway.tls.http3 and not platform.http3_module:
        rule = f"nginx {platform.nginx} of {platform.title} has no HTTP/3"
        found.append(Problem(("tls", "http3"), True, rule))
    if gateway.tls.ocsp_stapling and not guest.resolvers:
        rule = "needs a DNS server to find the certificate's responder, and the guest has no resolvers"
        found.append(Problem(("tls", "ocspStapling"), True, rule))
    found += gateway.kernel.unknown_to(platform.kernel)
    versions = {guest.address.version}
    found += [
        Problem(("upstreams", name, "servers", index, "address"), server.address, "the guest has no IPv6 address")
        for name, group in gateway.upstreams.items()
        for index, server in enumerate(group.servers)
        if server.address.startswith("[") and versions == {4}
    ]
    found += [
        Problem(
            ("upstreams", name, "servers", index, "address"),
            server.address,
            f"{server.address} is a name: it needs a DNS server to find it, and the guest has no resolvers",
        )
        for name, declared in gateway.upstreams.items()
        for index, server in enumerate(declared.servers)
        if not guest.resolvers and group(name, gateway).servers[index].is_name
    ]
    return found
