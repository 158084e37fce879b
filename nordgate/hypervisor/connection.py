"""A libvirt connection's URI, read: how commands reach the same host that libvirt is reached at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

CONNECT_SECONDS = 5
"""How long a host may take to answer an SSH connection."""

_ALIVE_SECONDS, _ALIVE_COUNT = 5, 3
SILENT_SECONDS = _ALIVE_SECONDS * _ALIVE_COUNT
"""How long the SSH server of a host may leave keep-alives unanswered before ssh gives the connection up."""

_ALWAYS = (
    "BatchMode=yes",
    f"ConnectTimeout={CONNECT_SECONDS}",
    # Also while it logs in: without these, a host that has gone silent is waited for without end.
    f"ServerAliveInterval={_ALIVE_SECONDS}",
    f"ServerAliveCountMax={_ALIVE_COUNT}",
    # A connection that another ssh has opened was held to that one's options, not to these.
    "ControlPath=none",
    # What the user's own ssh_config may say, and would let another host stand in.
    "NoHostAuthenticationForLocalhost=no",
    "VerifyHostKeyDNS=no",
    "ForwardAgent=no",
)


@dataclass(frozen=True)
class Connection:
    """Where a URI leads. Without a host it is this machine; `tls` and `tcp` carry libvirt and nothing else."""

    uri: str
    way: Literal["local", "ssh", "libvirt only"]
    host: str
    login: str
    """What `ssh` is told: user and host."""
    ssh_options: tuple[str, ...]
    known_hosts: str
    """The file that the host's key is looked up in."""
    socket: str = ""
    """The path of libvirt's socket there, where the URI names one."""
    parameters: frozenset[str] = frozenset()
    """Names of those that the URI has."""

    @property
    def transport(self) -> str:
        """As libvirt calls it: `unix`, `ssh`, `tls`, `tcp`."""
        scheme = urlsplit(self.uri).scheme
        return scheme.partition("+")[2] or ("tls" if self.host else "unix")


def read_uri(uri: str) -> Connection:
    """The connection that `uri` stands for, with libvirt's own parameters for SSH turned into ssh's options.

    The parameters (keyfile, knownhosts, known_hosts_verify, no_verify) are those of libvirt.org/uri.html.
    """
    parts = urlsplit(uri)
    transport = parts.scheme.partition("+")[2] or ("tls" if parts.hostname else "unix")
    host = parts.hostname or ""
    if transport not in ("ssh", "libssh", "libssh2"):
        return Connection(uri, "local" if not host or transport == "unix" else "libvirt only", host, host, (), "")
    values = {key: found[-1] for key, found in parse_qs(parts.query, keep_blank_values=True).items()}
    checking = {"ignore": "no", "auto": "accept-new"}.get(values.get("known_hosts_verify", ""), "yes")
    if values.get("no_verify", "0") != "0":
        checking = "no"
    known_hosts = "/dev/null" if checking == "no" else values.get("knownhosts", "")
    options = _options(checking, known_hosts, values.get("keyfile", ""))
    options += ["-p", str(parts.port)] if parts.port else []
    login = f"{parts.username}@{host}" if parts.username else host
    return Connection(
        uri, "ssh", host, login, tuple(options), known_hosts or "~/.ssh/known_hosts", values.get("socket", ""),
        frozenset(values),
    )  # fmt: skip


def pinned(known_hosts: Path, keyfile: Path) -> list[str]:
    """ssh's options for a host whose key stands in that file alone, logged in to with that key."""
    return _options("yes", str(known_hosts), str(keyfile))


def _options(checking: str, known_hosts: str, keyfile: str) -> list[str]:
    options = [*_ALWAYS, f"StrictHostKeyChecking={checking}"]
    if known_hosts:
        # It is the one that counts, for the provider too: not the machine's, not a command's.
        only = (
            f"UserKnownHostsFile={_ssh_file(known_hosts)}",
            "GlobalKnownHostsFile=/dev/null",
            "KnownHostsCommand=none",
        )
        options += only
    words = [word for option in options for word in ("-o", option)]
    return [*words, "-o", "IdentitiesOnly=yes", "-i", keyfile.replace("%", "%%")] if keyfile else words


def _ssh_file(path: str) -> str:
    """A path as the value of one of ssh's options: ssh splits it at blanks, and reads `%` and quotes."""
    if not re.search(r"[^\w./~+:,@-]", path):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
