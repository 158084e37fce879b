"""Settings that tests start from."""

from __future__ import annotations

from typing import Any

from cloudinit import GatewaySettings, GuestSettings

GUEST: dict[str, Any] = {
    "name": "gw1",
    "instance": "oslo-test-gw1",
    "address": "10.8.0.11/24",
    "mac": "52:54:00:12:34:56",
    "gatewayAddress": "10.8.0.1",
    "resolvers": ["10.8.0.1"],
    "ntpServers": ["10.8.0.1"],
    "managementNetworks": ["10.8.0.0/24"],
}
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvciB0ZXN0cyBvbmx5OiBub3QgYSBrZXkgdG8gdXNl someone"
"""Made of words: nobody has the other half."""
GATEWAY: dict[str, Any] = {
    "serverNames": ["api.example.test"],
    "upstreams": {"api": {"servers": ["10.8.0.2:8080", "10.8.0.3:8080"]}},
    "routes": [{"path": "/", "upstream": "api"}],
}


def guest(**changes: Any) -> GuestSettings:
    return GuestSettings.model_validate({**GUEST, **changes})


def gateway(**changes: Any) -> GatewaySettings:
    return GatewaySettings.model_validate({**GATEWAY, **changes})
