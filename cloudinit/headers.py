"""Headers that the gateway decides: what upstreams are told about a request, and what clients are told once."""

from __future__ import annotations

from collections.abc import Iterator

from cloudinit.gateway_settings import GatewaySettings
from cloudinit.routing import Route
from cloudinit.text import nginx_quoted

# By what they speak about. An upstream that reads one believes whoever wrote it.
CLAIMS: dict[str, tuple[str, ...]] = {
    "the client's address": (
        *("Forwarded", "Forwarded-For", "X-Forwarded", "X-Original-Forwarded-For", "X-Forwarded-By"),
        *("Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "X-True-Client-IP"),
        *("Proxy-Client-IP", "WL-Proxy-Client-IP", "X-ProxyUser-IP", "X-Originating-IP", "X-Remote-IP"),
        *("X-Remote-Addr", "CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Pseudo-IPv4", "Fastly-Client-IP"),
        *("Fly-Client-IP", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-AppEngine-User-IP", "X-Envoy-External-Address"),
        "X-Envoy-Internal",
    ),
    "the host, the scheme and the port that were asked": (
        *("X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Scheme"),
        *("X-Url-Scheme", "Front-End-Https", "CF-Visitor", "X-Host", "X-Original-Host", "X-Forwarded-HttpHost"),
    ),
    "the path and the method that were asked": (
        *("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Original-Method", "X-Forwarded-Prefix"),
        *("X-Forwarded-Path", "X-Forwarded-URI", "X-Forwarded-Method", "X-Envoy-Original-Path", "X-Script-Name"),
    ),
    "who the client is": (
        *("Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups"),
        *("X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Auth-Request-User"),
        *("X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username"),
    ),
    "the certificate that the client showed": (
        *("Client-Cert", "Client-Cert-Chain", "SSL-Client-Cert", "SSL-Client-Verify", "SSL-Client-S-DN"),
        *("X-SSL-Cert", "X-SSL-Client-Cert", "X-SSL-Client-Verify", "X-SSL-Client-S-DN", "X-Client-Cert"),
        *("X-Client-Verify", "X-Client-DN", "X-ARR-ClientCert", "X-ARR-SSL", "X-Forwarded-Client-Cert"),
        *("X-Forwarded-TLS-Client-Cert", "X-Forwarded-TLS-Client-Cert-Info", "X-Amzn-MTLS-Clientcert"),
    ),
}
"""What only a trusted proxy may say. nginx drops a name with "_" or "." by itself, so these have no twins."""

OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
"""Another method than the one in the request. With GET it would be tried again as a GET, whatever it does."""

HOP_BY_HOP = ("Proxy", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Trailer", "HTTP2-Settings")
"""Between a client and the gateway only; `Proxy` becomes the environment variable HTTP_PROXY of a CGI program."""

ALWAYS_OURS = ("Strict-Transport-Security", "X-Request-ID", "Alt-Svc")
"""About the gateway itself: no upstream can know them. Alt-Svc even where the gateway sends none."""

SEVERAL = ("Set-Cookie", "Vary", "Link", "WWW-Authenticate", "Server-Timing", "Via")
"""Headers of which an answer may have several, each with its own meaning: the upstream's stand beside the gateway's."""


NEVER_TOLD = ("X-Powered-By",)
"""What upstreams run on is what only an attacker wants to know."""


def claims() -> dict[str, str]:
    """Every header that only a trusted proxy may send on, and the nginx variable that holds it if it did."""
    return {name: f"$claimed_{_variable(name)}" for group in CLAIMS.values() for name in group}


def overrides() -> dict[str, str]:
    """Every header that names another method, and the variable that holds it where nothing is ever repeated."""
    return {name: f"$posted_{_variable(name)}" for name in OVERRIDES}


def request_headers(gateway: GatewaySettings) -> Iterator[tuple[str, str]]:
    """What each upstream is told, HTTP or gRPC: names, and values as nginx parameters. An empty one removes."""
    yield "Host", "$asked_host"
    yield "X-Real-IP", "$remote_addr"
    yield "X-Forwarded-For", "$forwarded_for"
    yield "X-Forwarded-Proto", "$forwarded_proto"
    yield "X-Forwarded-Host", "$forwarded_host"
    yield "X-Forwarded-Port", "$forwarded_port"
    yield "X-Request-ID", "$gateway_request_id"
    yield from overrides().items()
    for name, variable in claims().items():
        yield name, variable if gateway.trusted_proxies else '""'
    for name in HOP_BY_HOP:
        yield name, '""'


def added(gateway: GatewaySettings, route: Route | None = None) -> Iterator[tuple[str, str]]:
    """What the gateway adds to each answer, or to those of one route: names, and values as nginx parameters."""
    subdomains = "; includeSubDomains" if gateway.tls.hsts_include_subdomains else ""
    yield "Strict-Transport-Security", nginx_quoted(f"max-age={gateway.tls.hsts_max_age_seconds}{subdomains}")
    yield "X-Request-ID", "$gateway_request_id"
    if gateway.tls.http3:
        yield "Alt-Svc", nginx_quoted(f'h3=":{gateway.listeners.https}"; ma=86400')
    if gateway.gzip != "off":
        yield "Vary", "$vary_by_encoding"
    left = left_to_upstream(gateway, route) if route else {}
    for name, value in chosen(gateway, route).items():
        yield name, left.get(name, nginx_quoted(value))


def chosen(gateway: GatewaySettings, route: Route | None = None) -> dict[str, str]:
    """The headers of the settings. A route's take the place of the gateway's, whatever their case."""
    of_route = dict(route.response_headers) if route else {}
    own = {name.lower() for name in of_route}
    return {**{name: value for name, value in gateway.security_headers.items() if name.lower() not in own}, **of_route}


def left_to_upstream(gateway: GatewaySettings, route: Route) -> dict[str, str]:
    """The headers of a route that are added only where its upstream sent none, and the variable for each."""
    left = {name.lower() for name in route.upstream_headers}
    number = gateway.routes.index(route)
    return {name: f"$route_{number}_{_variable(name)}" for name in chosen(gateway, route) if name.lower() in left}


def defaults_of_left(gateway: GatewaySettings) -> Iterator[tuple[str, str, str, str]]:
    """For each header that a route leaves to its upstream: name, the gateway's value, its variable, the one sent."""
    for route in gateway.routes:
        values = chosen(gateway, route)
        for name, variable in left_to_upstream(gateway, route).items():
            yield name, values[name], variable, f"$sent_http_{_variable(name)}"


def hidden(gateway: GatewaySettings, route: Route | None = None) -> list[str]:
    """What an upstream may not say, because the gateway does and it would arrive twice."""
    passing = {name.lower() for name in (*SEVERAL, *(route.upstream_headers if route else ()))}
    return [name for name in chosen(gateway, route) if name.lower() not in passing]


def _variable(name: str) -> str:
    return name.lower().replace("-", "_")
