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
    self_signed: str = "/srv/nordgate/tls/self-signed/server.crt"
    """The one that a gateway has made itself, whether it is the current one or not."""
    key: str = "/srv/nordgate/tls/current/server.key"
    nginx: str = "/etc/nginx/nordgate"
    run: str = "/run/nordgate"
    bodies: str = "/run/nordgate/bodies"
    result: str = "/run/nordgate/boot.json"
    upstreams: str = "/run/nordgate/upstreams"
    """nginx's lists of servers, where they are found out in the guest; `declared_upstreams`: what they start as."""
    declared_upstreams: str = "/etc/nordgate/upstreams"
    watched: str = "/etc/nordgate/upstreams.json"
    library: str = "/usr/local/lib/nordgate"
    rotate: str = "/usr/local/lib/nordgate/rotate"
    rotation: str = "/etc/nordgate/logrotate.conf"
    boot: str = "/usr/local/sbin/nordgate-boot"
    kernel: str = "/etc/nordgate/kernel"


PATHS = Paths()
