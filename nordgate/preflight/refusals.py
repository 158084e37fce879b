"""Why the libvirt provider does not reach a host that ssh reaches: its words, and what to do about them. Pure.

The provider's SSH (Go's own) is told the URI and reads `HostName`, `Port`, `IdentityFile`, `ProxyJump` and
`UserKnownHostsFile` from ~/.ssh/config. It knows no other setting, no `Match` and no other file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nordgate.hypervisor.connection import Connection
from nordgate.hypervisor.libvirt_messages import Said

DEFAULT_SOCKET = "/var/run/libvirt/libvirt-sock"
"""Where the provider looks for libvirt on a host whose URI names no socket."""

_FORBIDDEN = (
    "its SSH server forbids the way to libvirt's socket: sshd_config there needs `AllowStreamLocalForwarding` and "
    "`AllowTcpForwarding` to be yes or local, no `DisableForwarding yes` and no `PermitOpen`; the key in "
    "authorized_keys no `restrict`, `no-port-forwarding` or `permitopen`"
)
_NO_SOCKET = (
    "there is no socket {socket} on it: where libvirt's daemons are separate ones, `systemctl enable --now "
    "virtproxyd.socket` makes it"
)
_CLOSED = "the login may not write to {socket}: add it to the group libvirt (or the one that `unix_sock_group` names)"


def explain(where: Connection, said: str, ssh: Mapping[str, str], socket_state: str) -> str:
    """One sentence about a connection that the provider could not open.

    `said` is what it said, `ssh` what `ssh -G` tells of its settings for the host, `socket_state` how libvirt's socket
    looks there by ssh: "open", "closed" (to this login), "missing", or "" where that is not known.
    """
    if where.way != "ssh":
        return f"does not reach libvirt at {where.uri}: {said}"
    return f"its own SSH, which is not the ssh client, fails at {where.host}: {_reason(where, said, ssh, socket_state)}"


def _reason(where: Connection, said: str, ssh: Mapping[str, str], socket_state: str) -> str:
    socket = where.socket or DEFAULT_SOCKET
    if Said.FORWARD_REFUSED.within(said):
        if socket_state == "missing":
            return _NO_SOCKET.format(socket=socket)
        if socket_state == "closed":
            return _CLOSED.format(socket=socket)
        return _FORBIDDEN
    if Said.KEY_REFUSED.within(said):
        return _login(where, ssh)
    if Said.NO_KEY.within(said):
        return (
            "it has no key: `keyfile=` in the URI or `IdentityFile` in ~/.ssh/config must name one that it can read, "
            "without a passphrase, or an agent must hold it"
        )
    if Said.NO_KNOWN_HOSTS.within(said):
        return (
            f"{said}; it reads one file alone: write `knownhosts=/FULL/PATH` into the "
            "URI (it knows neither `~` nor /etc/ssh/ssh_known_hosts)"
        )
    if Said.KEY_NOT_KNOWN.within(said) or Said.KEY_DIFFERS.within(said):
        return _host_key(where, said, ssh)
    if Said.NOTHING_COMMON.within(said):
        return f"{said}: allow one of the first list in sshd_config there"
    if Said.NO_WAY.within(said):
        return _way(said, ssh)
    return said


def _login(where: Connection, ssh: Mapping[str, str]) -> str:
    if "@" not in where.login:
        user = ssh.get("user", "LOGIN")
        return (
            f"it logs in under no name, because it does not read `User` from ssh_config: write qemu+ssh://{user}@"
            f"{where.host}/... in the URI"
        )
    return (
        f"the login {where.login} is refused; of an agent's keys (SSH_AUTH_SOCK) and `keyfile=` it tries the first "
        "alone: write `sshauth=privkey` into the URI where the key is a file. Of several `IdentityFile` it tries the "
        "first alone, and it knows no certificates and no keys with a passphrase"
    )


def _host_key(where: Connection, said: str, ssh: Mapping[str, str]) -> str:
    name, port = ssh.get("hostname", where.host), ssh.get("port", "22")
    entry = name if port == "22" else f"[{name}]:{port}"
    if Said.KEY_DIFFERS.within(said):
        return (
            f"the key that it asks for first, ed25519, is another in {where.known_hosts} or is not there: compare and "
            f"add the line of `ssh-keyscan -t ed25519 -p {port} {name}`"
        )
    alias = ssh.get("hostkeyalias", "none")
    reason = f"; it does not read `HostKeyAlias {alias}`" if alias != "none" else ""
    return f"{where.known_hosts} has no key of {entry}, under which it looks{reason}: add the host's line for {entry}"


def _way(said: str, ssh: Mapping[str, str]) -> str:
    dialled = re.search(r"(dial tcp.*|lookup .*)", said)
    shown = " ".join(
        f"{name} {value}" for name in ("hostname", "port", "proxyjump", "proxycommand") if (value := ssh.get(name))
    )
    reason = (
        "of ssh_config it reads HostName, Port and ProxyJump in ~/.ssh/config alone, without `Match`, `ProxyCommand` "
        "and `%`-words: write the address into the URI, or lead a socket here with `ssh -L` and use `?socket=`"
    )
    return f"{dialled[1] if dialled else said}; ssh goes to: {shown or 'the same place'}. Note: {reason}"
