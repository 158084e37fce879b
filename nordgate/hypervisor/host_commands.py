"""Commands on a host itself: as a process of this machine or over SSH, whichever way its libvirt is reached."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from nordgate.errors import HypervisorError
from nordgate.hypervisor.connection import SILENT_SECONDS, Connection, read_uri
from nordgate.hypervisor.libvirt_messages import ENGLISH, Said, ssh_reason

SSH_FAILED = 255
"""ssh's own exit code, when it is the connection that failed: ssh(1)."""


class HostCommands:
    """Runs commands where the libvirt of `uri` is; each ends within its bound."""

    def __init__(self, uri: str) -> None:
        self.connection: Connection = read_uri(uri)

    @property
    def possible(self) -> bool:
        """Whether the connection can carry commands at all."""
        return self.connection.way != "libvirt only"

    def run(self, command: Sequence[str], stdin: str = "", timeout: float = 20) -> str:
        """What the command prints. Raises HypervisorError when it cannot be run, fails or does not end."""
        where = self.connection
        if not self.possible:
            raise HypervisorError(f"{where.transport} leads to the libvirt of {where.host} only, not to a shell there.")
        words = list(command)
        if where.way == "ssh":
            words = ["ssh", *where.ssh_options, "--", where.login, shlex.join(command)]
        place = where.host or "this machine"
        try:
            done = subprocess.run(
                words, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
                env={**os.environ, **ENGLISH},
            )  # fmt: skip
        except FileNotFoundError:
            raise HypervisorError(f"{words[0]} is not on PATH of this machine.") from None
        except subprocess.TimeoutExpired:
            raise HypervisorError(f"{command[0]} on {place} did not end within {timeout:.0f} s.") from None
        if done.returncode == 0:
            return done.stdout
        if where.way == "ssh" and done.returncode == SSH_FAILED:
            raise HypervisorError(ssh_sentence(where, done.stderr))
        said = done.stderr.strip().splitlines()
        raise HypervisorError(
            f"{command[0]} on {place} failed with code {done.returncode}: {said[-1] if said else 'it said nothing'}."
        )


def ssh_sentence(where: Connection, stderr: str) -> str:
    """What ssh said about a connection that failed, as a sentence with what to do."""
    host = where.host
    if Said.HOST_KEY_CHANGED.within(stderr):
        return (
            f"{host} shows another SSH host key than the one in {where.known_hosts}: "
            f"find out why; if the host was installed anew, replace its line there."
        )
    if Said.HOST_KEY_UNKNOWN.within(stderr):
        return (
            f"the SSH host key of {host} is not in {where.known_hosts}: "
            f"compare `ssh-keyscan {host}` with the host's own /etc/ssh/*.pub and add the line."
        )
    if Said.LOGIN_REFUSED.within(stderr):
        remedy = (
            "put the key into its authorized_keys, or `keyfile=` into the URI; if it is there, see `from=` and "
            "`expiry-time=` before it, and AllowUsers, PermitRootLogin and PubkeyAuthentication in sshd_config"
        )
        return f"{host} refuses the SSH login {where.login}: {remedy}."
    if Said.SESSION_REFUSED.within(stderr):
        return f"{host} lets {where.login} in and allows no session: see MaxSessions in its sshd_config."
    if Said.SERVER_SILENT.within(stderr):
        return f"{host} has gone silent: its SSH server answered nothing for {SILENT_SECONDS} s."
    return f"{host} cannot be reached by SSH: {ssh_reason(stderr)}."
