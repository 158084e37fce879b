"""What `python -m smoke` is told about a gateway: where it is, what must read back in its guest, what is measured."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from cloudinit import PATHS, PLATFORMS, Check, GatewaySettings, GuestSettings, SeedDocuments, checks_for, substance
from cloudinit.answers import answer_headers
from cloudinit.headers import NEVER_TOLD
from cloudinit.locations import answering
from cloudinit.routing import Route
from nordgate.design.latency_plan import latency_plan
from nordgate.settings.stack_settings import Settings


def local_name(nginx: GatewaySettings, stack: str) -> str:
    """api.example.net of stack oslo-test as api.oslo-test.localhost, which leads to this machine (RFC 6761)."""
    return f"{nginx.server_names[0].partition('.')[0].replace('*', 'any')}.{stack}.localhost"


def gateway_settings(settings: Settings, stack: str, name: str) -> GatewaySettings:
    """What nginx of the gateway `name` does: the region's settings, and the local name of one with an `entry`."""
    nginx = settings.nginx
    if not settings.gateways[name].entry:
        return nginx
    return nginx.model_copy(update={"server_names": (*nginx.server_names, local_name(nginx, stack))})


def smoke_plan(
    settings: Settings, stack: str, name: str, domain: str, console_log: str, guest: GuestSettings, seed: SeedDocuments
) -> dict[str, Any]:
    """The plan for the gateway `name`, whose `guest` is `domain` and boots from `seed`."""
    gateway, smoke = settings.gateways[name], settings.smoke
    server_name = local_name(settings.nginx, stack) if gateway.entry else settings.nginx.server_names[0]
    port = settings.nginx.listeners.https
    public_port = int(gateway.entry.rpartition(":")[2]) if gateway.entry else port
    return {
        "stack": stack,
        "gateway": name,
        "url": f"https://{server_name}" + ("" if public_port == 443 else f":{public_port}"),
        "connect": gateway.entry or f"{gateway.address}:{port}",
        "names": list(settings.nginx.server_names),
        "trust": {
            "guestCertificate": PATHS.certificate,
            "selfSigned": PATHS.self_signed,
            "caCertificate": smoke.ca_certificate,
        },
        "libvirt": {
            "uri": settings.hypervisors[gateway.hypervisor].uri,
            "domain": domain,
            "consoleLog": console_log,
            "start": True,
        },
        "contentHash": seed.content_hash,
        "readiness": {"timeoutSeconds": smoke.ready_within},
        "guest": {
            "checks": [
                dataclasses.asdict(check)
                for check in checks_for(
                    gateway_settings(settings, stack, name), PLATFORMS[settings.image.platform], seed.config_hash, guest
                )
                if check.probe != "cpu-flag" or settings.hardware.require_aes
            ]
            + [dataclasses.asdict(_data_device(settings.hardware.data_volume))],
            "files": {
                path: hashlib.sha256(substance(path, file.content).encode()).hexdigest()
                for path, file in seed.files.items()
            },
            "accessLog": f"{PATHS.log}/{settings.nginx.log.file}",
            "synchronised": bool(settings.network.time_servers),
        },
        "paths": {"proxied": smoke.path, "limited": limited_path(settings)},
        "headers": declared_headers(settings),
        "keepAlive": {
            "requests": settings.nginx.keepalive_requests,
            "timeoutSeconds": settings.nginx.keepalive_timeout_seconds,
        },
        "hstsSeconds": settings.nginx.tls.hsts_max_age_seconds,
        "budgetScale": settings.budget_scale,
        **latency_plan(
            smoke,
            settings.hypervisors[gateway.hypervisor].uri,
            f"{gateway.address}:{port}",
            {region: origin.uri for region, origin in settings.origins.items()},
        ),
    }


def _data_device(size: int) -> Check:
    """No part of what the guest is made from: the volume grows in place."""
    return Check("device-bytes", PATHS.data, ">=", str(size), "the volume was made larger while the guest ran")


def limited_path(settings: Settings) -> str | None:
    """The path that is proxied, if bodies are limited there."""
    route = _route(settings, settings.smoke.path)
    return settings.smoke.path if route and route.body_megabytes and route.kind != "grpc" else None


def declared_headers(settings: Settings) -> dict[str, Any]:
    """What the gateway's answers carry, on every path that the check asks for."""
    nginx, smoke = settings.nginx, settings.smoke
    each = answer_headers(nginx)
    routes = {path: answer_headers(nginx, _route(settings, path)) for path in (smoke.path, *smoke.routes)}
    own = {path: headers for path, headers in routes.items() if headers != each}
    return {"each": each, "routes": own, "never": list(NEVER_TOLD)}


def _route(settings: Settings, path: str) -> Route | None:
    found = answering(path, settings.nginx.routes)
    return found if isinstance(found, Route) else None
