"""What a libvirt URI may say (libvirt.org/uri.html): what is no connection at all, and what production refuses.

The provider, virsh and ssh each read the URI by themselves. So it may hold nothing that one of them reads otherwise
than the others, and for a production stack nothing that lets somebody else stand in for the host.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

_OF_SSH = ("keyfile", "knownhosts", "known_hosts_verify", "no_verify")
"""Parameters of a libvirt URI that say how SSH logs in: libvirt.org/uri.html."""

_TRANSPORTS = ("ssh", "tcp", "tls", "unix")
_PLACE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*@)?([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_EXAMPLE = "such as qemu+ssh://deploy@host1/system"

PARAMETERS = (
    "authfile", "command", "keyfile", "knownhosts", "known_hosts_verify", "mode", "netcat", "no_sanity", "no_tty",
    "no_verify", "pkipath", "proxy", "socket", "sshauth", "tls_priority",
)  # fmt: skip
"""Those of libvirt and of the provider, but for `name`, which opens another driver than the one that is looked at."""

_MEANT = {"known_hosts": "knownhosts"}
"""What libvirt calls what the provider calls otherwise."""

_ANYBODY = "whoever stands between is then taken for the host"
_REFUSED = {
    "no_verify": f"the host's key or certificate is not looked at, and {_ANYBODY}",
    "no_sanity": f"certificates are not looked at, and {_ANYBODY}",
    "command": "starts a program of this machine in place of ssh, which need not look at the host's key",
    "netcat": "starts a program of the host that is not libvirt's; its own, virt-ssh-helper, is found by itself",
    "tls_priority": "may allow ciphers that are broken; libvirt's own choice does not",
}
_ONLY = {
    "known_hosts_verify": (("normal",), f"takes a key that nobody has compared, and {_ANYBODY}"),
    "sshauth": (("agent", "privkey"), "logs in otherwise than by key"),
}
"""What a parameter may say in production, and why nothing else."""


def why_no_connection(uri: str) -> str | None:
    """Why no stack can use the URI; None when it can."""
    parts = urlsplit(uri)
    transport = uri.partition("://")[0].partition("+")[2]
    if not re.match(r"qemu(\+[a-z0-9]+)?://[!-~]*$", uri) or "#" in uri:
        return f'"{uri}" is no QEMU connection {_EXAMPLE}'
    if transport and transport not in _TRANSPORTS:
        return f'"{uri}" goes by {transport}, which the provider cannot: {", ".join(_TRANSPORTS)}'
    login, at, place = uri.partition("://")[2].partition("?")[0].rpartition("@")
    if at and ":" in login:
        host = place.partition("/")[0]
        return f'"{host}" is logged in to with a password, which would stand in plain text: use an SSH key'
    if transport in ("ssh", "tcp", "tls") and not parts.netloc:
        return f'"{uri}" names no host {_EXAMPLE}'
    if parts.netloc and not _PLACE.fullmatch(parts.netloc):
        return f'"{uri}" has no host that every program reads alike: {parts.netloc}'
    port = re.search(r":([0-9]+)$", parts.netloc)
    if port and not 1 <= int(port[1]) <= 65535:
        return f'"{uri}" has no port from 1 to 65535 after its host'
    if transport == "ssh" and port:
        return f'"{uri}" has a port, which the published libvirt plugin cannot use with SSH'
    return _why_not_these(parts.query)


def _why_not_these(query: str) -> str | None:
    if ";" in query:
        return f'"{query}" has a semicolon, which libvirt takes for the end of a parameter, and others do not'
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    for name in names:
        if names.count(name) > 1:
            return f"{name} is said twice, and not every program takes the same of the two"
        if name not in PARAMETERS:
            near = [_MEANT[name]] if name in _MEANT else difflib.get_close_matches(name, PARAMETERS, 1)
            hint = f'; did you mean "{near[0]}"?' if near else f": {', '.join(PARAMETERS)}"
            return f"{name} is no parameter that is read here{hint}"
    return None


def refused_in_production(uri: str) -> Iterator[str]:
    """What of the URI no production stack may have, each with its value and the reason."""
    parts = urlsplit(uri)
    if parts.scheme == "qemu+tcp":
        yield ("qemu+tcp: nothing is encrypted, and whoever reaches the port has the host; use qemu+ssh, or qemu+tls")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in _REFUSED:
            yield f"{name}={value}: {_REFUSED[name]}; leave it out"
        elif name in _ONLY:
            allowed, reason = _ONLY[name]
            if not set(value.split(",")) <= set(allowed):
                yield f"{name}={value}: {reason}; leave it out, or say {','.join(allowed)}"


def hypervisor_reach(uri: str) -> str:
    """Where a generator runs on the hypervisor behind a libvirt URI: over its SSH, in its lab, or here."""
    if remote := re.match(r"qemu\+ssh://([^/?]+)", uri):
        parameters = [one for one in urlsplit(uri).query.split("&") if one.partition("=")[0] in _OF_SSH]
        return f"ssh://{remote[1]}" + (f"?{'&'.join(parameters)}" if parameters else "")
    if lab := re.search(r"\?socket=/var/lib/nordgate/lab/([a-z][a-z0-9-]*)/", uri):
        return f"lab:{lab[1]}"
    return "local"
