"""What a client finds in the head of every answer, worked out from the settings: a smoke check holds answers to it."""

from __future__ import annotations

from cloudinit.gateway_settings import GatewaySettings
from cloudinit.headers import SEVERAL, added, chosen
from cloudinit.routing import Route

HSTS = "Strict-Transport-Security"


def answer_headers(gateway: GatewaySettings, route: Route | None = None) -> dict[str, str | None]:
    """What every answer carries, or those of one route, once each, errors included; None: with any value.

    HSTS is left to a proof of its own, and what an upstream decides, or may send too, to the upstream.
    """
    left = {name.lower() for name in (HSTS, *SEVERAL, *(route.upstream_headers if route else ()))}
    names = ("Server", *(name for name, _ in added(gateway, route)))
    # nginx sends no header that has no value; blanks around a value are not part of it.
    values = {"Server": "nginx", **{name: value.strip() for name, value in chosen(gateway, route).items()}}
    return {name: values.get(name) for name in names if name.lower() not in left and values.get(name) != ""}
