"""A libvirt connection's URI, read: how commands reach the same host that libvirt is reached at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlsplit

CONNECT_SECONDS = 5
"""How long a host may take to answer an SSH connection."""


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
    values = {key: found[-1] for key, found in parse_qs(parts.query).items()}
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"]
    checking = {"ignore": "no", "auto": "accept-new"}.get(values.get("known_hosts_verify", ""), "yes")
    if values.get("no_verify", "0") != "0":
        checking = "no"
    options += ["-o", f"StrictHostKeyChecking={checking}"]
    known_hosts = "/dev/null" if checking == "no" else values.get("knownhosts", "")
    options += ["-o", f"UserKnownHostsFile={ssh_file(known_hosts)}"] if known_hosts else []
    options += ["-o", "IdentitiesOnly=yes", "-i", values["keyfile"].replace("%", "%%")] if "keyfile" in values else []
    options += ["-p", str(parts.port)] if parts.port else []
    login = f"{parts.username}@{host}" if parts.username else host
    return Connection(uri, "ssh", host, login, tuple(options), known_hosts or "~/.ssh/known_hosts")


def ssh_file(path: str) -> str:
    """A path as the value of one of ssh's options: ssh splits it at blanks, and reads `%` and quotes."""
    if not re.search(r"[^\w./~+:,@-]", path):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
