"""The groups of servers as nginx and the guest's watcher are told of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from cloudinit.files import PATHS, GuestFile
from cloudinit.gateway_settings import GatewaySettings
from cloudinit.guest_settings import GuestSettings
from cloudinit.routing import UpstreamGroup, UpstreamServer
from cloudinit.text import rendered
from cloudinit.watcher.table import MOST_ADDRESSES, Group, Health, Server, server_lines

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
_UNITS = "/etc/systemd/system"
_PROGRAM = {path.name: path.read_text() for path in sorted((Path(__file__).parent / "watcher").glob("*.py"))}


def group(name: str, gateway: GatewaySettings) -> Group:
    """The group `name`, as the guest knows it."""
    declared = gateway.upstreams[name]
    health, tls = declared.health, declared.tls
    return Group(
        tuple(_server(server) for server in declared.servers),
        Health(
            interval=health.interval_seconds,
            failures=health.failures,
            successes=health.successes,
            path=health.path or "",
            host=gateway.server_names[0],
            tls_name=tls.server_name if tls else "",
            tls_ca=ca_file(name, declared) if tls else "",
        ),
    )


def ca_file(name: str, declared: UpstreamGroup) -> str:
    """Whom to trust when the servers of the group show their certificates."""
    return f"{PATHS.nginx}/ca-{name}.pem" if declared.tls and declared.tls.ca_certificate else SYSTEM_CAS


def watched(gateway: GatewaySettings) -> dict[str, Group]:
    """The groups whose servers are found out in the guest: those of several servers, and those with a name."""
    groups = {name: group(name, gateway) for name in gateway.upstreams}
    return {name: found for name, found in groups.items() if len(found.servers) > 1 or found.names}


def most_servers(found: Group) -> int:
    """So many addresses the group may come to have."""
    return sum(MOST_ADDRESSES if server.is_name else 1 for server in found.servers)


def list_texts(gateway: GatewaySettings) -> dict[str, str]:
    """What nginx starts with, by the file's place: all servers in use, and no name known yet."""
    return {
        f"{PATHS.declared_upstreams}/{name}.conf": server_lines(found, {}) for name, found in watched(gateway).items()
    }


def watcher_files(guest: GuestSettings, gateway: GatewaySettings) -> dict[str, GuestFile]:
    """The program that watches the groups, its units, and what it is told; nothing where none is watched."""
    groups = watched(gateway)
    if not groups:
        return {}
    document = {
        "resolvers": [str(address) for address in guest.resolvers],
        "families": [guest.address.version],
        "groups": {name: dataclasses.asdict(found) for name, found in groups.items()},
    }
    files = {PATHS.watched: GuestFile(json.dumps(document, indent=1) + "\n")}
    for name, text in _PROGRAM.items():
        files[f"{PATHS.library}/watcher/{name}"] = GuestFile(text)
    for unit in ("nordgate-upstreams.service", "nordgate-upstreams-apply.service", "nordgate-upstreams-apply.path"):
        files[f"{_UNITS}/{unit}"] = GuestFile(rendered(f"guest/{unit}.j2", paths=PATHS))
    return files


def _server(declared: UpstreamServer) -> Server:
    host, _, port = declared.address.rpartition(":")
    options = [
        *([f"weight={declared.weight}"] if declared.weight != 1 else []),
        *([f"max_conns={declared.max_connections}"] if declared.max_connections else []),
    ]
    return Server(host.strip("[]"), int(port), " ".join(options), declared.backup)
