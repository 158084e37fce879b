"""A real SSH server of this machine, on a port of 127.0.0.1: what a KVM host behind SSH is to a test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = Path(__file__).parents[1] / ".nordgate/packages"
_PROGRAMS = {"SshdSessionPath": "usr/lib/openssh/sshd-session", "SshdAuthPath": "usr/lib/openssh/sshd-auth"}
"""What an OpenSSH from 9.8 on is made of besides, and the settings that say where."""
# A mount namespace of its own, because sshd insists on an account and a folder of the system's.
_START = """mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind {folder}/passwd /etc/passwd &&
exec {sshd} -D -e -f {folder}/sshd_config"""


@dataclass(frozen=True)
class Server:
    """It lets root in with the key `user`, and shows the key `host`; `other` is a key that nobody knows."""

    port: int
    folder: Path
    process: int

    def known_hosts(self, key: str = "host") -> Path:
        """A file that knows the server by that key."""
        known = self.folder / f"known-{key}"
        known.write_text(f"[127.0.0.1]:{self.port} {(self.folder / f'{key}.pub').read_text()}")
        return known

    def query(self) -> str:
        """The parameters of a URI that leads there."""
        return f"knownhosts={self.known_hosts()}&keyfile={self.folder}/user"

    def freeze(self) -> None:
        """Stop it and every session of it where they are: connections stay open, and nothing is ever answered."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def sessions(self) -> list[int]:
        """The processes that serve somebody."""
        return self._processes()[1:]

    def _processes(self) -> list[int]:
        """The listening one, then its descendants that are sshd's."""
        found, last = [], [self.process]
        while last:
            last = [child for parent in last for child in _children(parent)]
            found += [one for one in last if "sshd" in _name(one)]
        return found


def _name(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text()
    return ""  # it has just ended


def _children(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


@contextlib.contextmanager
def ssh_server(folder: Path, settings: str = "", key_options: str = "") -> Iterator[Server]:
    """One that runs until the block ends; keys and configuration lie in `folder`.

    `settings` are lines for sshd_config, before all others: sshd takes the first. `key_options` stand before the key in
    authorized_keys.
    """
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text(f"{key_options} {(folder / 'user.pub').read_text()}".lstrip())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    account = "sshd:x:64056:65534::/run/sshd:/usr/sbin/nologin\n"
    # Not what this machine's root runs at every login: it may take longer than all the rest.
    root = f"root:x:0:0:root:{folder}:/bin/sh\n"
    others = [line for line in Path("/etc/passwd").read_text().splitlines(keepends=True) if line[:5] != "root:"]
    (folder / "passwd").write_text("".join((root, *others, account)))
    programs = {setting: _PACKAGES / path for setting, path in _PROGRAMS.items()}
    (folder / "sshd_config").write_text(
        f"{settings}\nListenAddress 127.0.0.1\nPort {port}\n"
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n"
        + "".join(f"{setting} {path}\n" for setting, path in programs.items() if path.exists())
    )
    script = _START.format(folder=folder, sshd=_PACKAGES / "usr/sbin/sshd")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--fork", "--kill-child=KILL", "sh", "-c", script], stderr=log, stdout=log
        )
    server = Server(port, folder, process.pid)
    try:
        end = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.05)
        yield server
    finally:
        for session in server.sessions():
            os.kill(session, signal.SIGKILL)
        process.kill()
        process.wait(10)
