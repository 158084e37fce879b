"""A rendered configuration, served by a real nginx in a network of its own."""

from __future__ import annotations

import ctypes
import http.client
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloudinit import GuestSettings
from tests.render.backends import Backends
from tests.render.sites import Site

NAME = "api.example.test"
GUEST = GuestSettings.model_validate({"name": "gw1", "address": "10.8.0.11/24", "mac": "52:54:00:00:00:11"})
"""Of tests in which all guests will do."""
_NEW_NETWORK = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of_its_own() -> Iterator[None]:
    """This thread, and all that it starts, sees a loopback device and nothing else."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if _libc.unshare(_NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "cannot make a network namespace; these tests need root")
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        _libc.setns(outside, _NEW_NETWORK)
        os.close(outside)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Served:
    """A running gateway on 127.0.0.1, and its backends."""

    site: Site
    backends: Backends
    config_hash: str
    authority: Path
    """Whom to trust, as a PEM file."""
    process: int
    """The first process of the namespaces that nginx runs in."""

    def context(self, **versions: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        for name, value in versions.items():
            setattr(context, name, value)
        return context

    def tls(self, context: ssl.SSLContext, name: str = NAME, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", 443), timeout=10)
        return context.wrap_socket(raw, server_hostname=name, session=session)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; `X_Name` in `headers` becomes X-Name."""
        client = http.client.HTTPSConnection("127.0.0.1", context=self.context(), timeout=10)
        client.sock = self.tls(self.context())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, path, body, {"Host": NAME, **named})
        response = client.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        client.close()
        return answer


@contextmanager
def running(site: Site, backends: Backends, config_hash: str, authority: Path, port: int = 443) -> Iterator[Served]:
    """nginx on the site, from the moment it answers at that port to the end of the block."""
    command = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-ec",
        site.shell("nginx -g 'daemon off;'"),
    ]
    with (site.folder / "output").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_for(("127.0.0.1", port), process, site.folder / "output")
        inside = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield Served(site, backends, config_hash, authority, int(inside))
    finally:
        process.kill()
        process.wait(10)


def _wait_for(address: tuple[str, int], process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(address, timeout=1).close()
            return
        except OSError:
            said = output.read_text()
            assert process.poll() is None, f"nginx ended: {said}"
            assert time.monotonic() < deadline, f"nginx does not listen on {address}: {said}"
            time.sleep(0.02)
