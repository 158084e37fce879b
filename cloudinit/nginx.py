"""From settings to the complete configuration of nginx."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cloudinit import headers
from cloudinit.catalogue.nginx_rows import FIXED
from cloudinit.files import PATHS, GuestFile
from cloudinit.gateway_settings import REQUEST_LINES, GatewaySettings
from cloudinit.guest_settings import GuestSettings
from cloudinit.locations import HEALTH_CHECK
from cloudinit.platforms import Platform
from cloudinit.routing import BODY_BUFFERS
from cloudinit.substance import substance
from cloudinit.text import rendered
from cloudinit.upstreams import ca_file, group, list_texts, most_servers, watched
from cloudinit.watcher.table import server_lines

_INCLUDES = ("clients", "log", "tls", "upstreams", "proxy", "grpc", "headers", "servers")


def nginx_files(guest: GuestSettings, gateway: GatewaySettings, platform: Platform) -> tuple[dict[str, GuestFile], str]:
    """Every file of the configuration, by its path in the guest, and the hash that the running nginx answers."""
    ca_files = {name: ca_file(name, declared) for name, declared in gateway.upstreams.items() if declared.tls}
    groups = {name: group(name, gateway) for name in gateway.upstreams}
    values = {
        "guest": guest,
        "gateway": gateway,
        "platform": platform,
        "paths": PATHS,
        "fixed": FIXED,
        "hosts": ("[::]:", "") if guest.address.version == 6 else ("",),
        "resolvers": [f"[{address}]" if address.version == 6 else str(address) for address in guest.resolvers],
        "ca_files": ca_files,
        "watched": watched(gateway),
        "servers": {name: server_lines(found, {}) for name, found in groups.items()},
        "most_servers": {name: most_servers(found) for name, found in groups.items()},
        "body_buffers": BODY_BUFFERS,
        "request_lines": REQUEST_LINES,
        "headers": headers,
        "request_headers": list(headers.request_headers(gateway)),
        "claims": headers.claims(),
        "overrides": headers.overrides(),
        "always_hidden": (*headers.ALWAYS_OURS, *headers.NEVER_TOLD),
        "left_to_upstream": list(headers.defaults_of_left(gateway)),
        "hash_bucket": _bucket(max(len(name) for name in gateway.server_names)),
        "zone_megabytes": gateway.rate_limit.megabytes if gateway.rate_limit else 0,
        "health_check": HEALTH_CHECK,
        "grpc_ready": "grpc-ready.invalid",
        "catch_all": any(route.path == "/" and not route.exact for route in gateway.routes),
    }
    texts = {"/etc/nginx/nginx.conf": rendered("nginx/nginx.conf.j2", **values)}
    for include in _INCLUDES:
        texts[f"{PATHS.nginx}/{include}.conf"] = rendered(f"nginx/{include}.conf.j2", **values)
    texts.update(list_texts(gateway))
    for name, declared in gateway.upstreams.items():
        if declared.tls and declared.tls.ca_certificate:
            texts[ca_files[name]] = declared.tls.ca_certificate
    status = f"{PATHS.nginx}/status.conf"
    texts[status] = rendered("nginx/status.conf.j2", config_hash="", **values)
    config_hash = hash_of({path: substance(path, text) for path, text in texts.items()})
    texts[status] = rendered("nginx/status.conf.j2", config_hash=config_hash, **values)
    deferred = guest.packages.mode == "install"
    return {path: GuestFile(text, deferred=deferred) for path, text in texts.items()}, config_hash


def hash_of(texts: Mapping[str, str]) -> str:
    """One hash over named texts, the same whatever their order."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        for part in (name, text):
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def _bucket(longest: int) -> int:
    """The size of a hash bucket that holds a name of that length: a power of two with room for nginx's own fields."""
    return max(64, 1 << (longest + 32 - 1).bit_length())
