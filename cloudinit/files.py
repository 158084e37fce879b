"""Files of a guest, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GuestFile:
    """A file that the guest boots with. `deferred` ones are written after the packages are installed."""

    content: str
    mode: str = "0644"
    owner: str = "root:root"
    deferred: bool = False


@dataclass(frozen=True)
class Paths:
    """Where everything lies in a guest."""

    data: str = "/srv/nordgate"
    log: str = "/srv/nordgate/log"
    tls: str = "/srv/nordgate/tls"
    certificate: str = "/srv/nordgate/tls/current/server.crt"
    key: str = "/srv/nordgate/tls/current/server.key"
    nginx: str = "/etc/nginx/nordgate"
    run: str = "/run/nordgate"
    bodies: str = "/run/nordgate/bodies"
    result: str = "/run/nordgate/boot.json"
    boot: str = "/usr/local/sbin/nordgate-boot"
    kernel: str = "/etc/nordgate/kernel"


PATHS = Paths()
