"""The watcher of a served gateway, as the guest's units run it, by its Debian's own Python; and a DNS server for it."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cloudinit import PATHS
from lab.dns import answer
from tests.render.served import Served

TTL = 1
"""Seconds; the watcher waits five at least."""
_WANTED = "run/nordgate-upstreams/wanted.json"


@dataclass
class Dns:
    """A DNS server: what it knows may be changed, and it may be silent."""

    zone: dict[str, list[str]]
    silent: bool = False

    def serve(self, sock: socket.socket) -> None:
        while True:
            try:
                query, client = sock.recvfrom(4096)
            except OSError:
                return
            if not self.silent:
                sock.sendto(answer(query, self.zone.get, TTL), client)


@contextmanager
def dns(address: str, **zone: list[str]) -> Iterator[Dns]:
    """One at `address`. `a_example` in `zone` is a.example."""
    server = Dns({name.replace("_", "."): texts for name, texts in zone.items()})
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 53))
        threading.Thread(target=server.serve, args=(sock,), daemon=True).start()
        yield server


@dataclass
class Watched:
    """A gateway that is watched."""

    gateway: Served
    said: list[str] = field(default_factory=list)
    """What both programs have told the journal."""
    reloads: int = 0

    def list(self, group: str) -> str:
        return (self.gateway.site.folder / PATHS.upstreams.lstrip("/") / f"{group}.conf").read_text()

    def until(self, holds: Callable[[], bool], within: float = 30) -> float:
        """Wait for it; the seconds that it took."""
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < within, "\n".join(("it did not come to be:", *self.said))
            time.sleep(0.05)
        return time.monotonic() - begun


@contextmanager
def watching(gateway: Served) -> Iterator[Watched]:
    """Both programs, the second whenever the first has written, as the path unit has it."""
    watched = Watched(gateway)
    folder = gateway.site.folder
    for made in ("run/nordgate-upstreams", "run/state", "usr/local/bin"):
        (folder / made).mkdir(exist_ok=True)
    systemctl = folder / "usr/local/bin/systemctl"
    systemctl.write_text("#!/bin/sh\nexec /usr/sbin/nginx -s reload\n")
    systemctl.chmod(0o755)
    watcher = subprocess.Popen(
        inside(gateway, "watch"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    ended = threading.Event()

    def listen() -> None:
        for line in watcher.stdout or ():
            watched.said.append(line.rstrip())

    def apply() -> None:
        seen = 0
        while not ended.wait(0.02):
            file = folder / _WANTED
            now = file.stat().st_mtime_ns if file.exists() else 0
            if now != seen:
                seen = now
                done = subprocess.run(inside(gateway, "apply"), capture_output=True, text=True, timeout=60)
                told = [line for line in (done.stdout + done.stderr).splitlines() if "[notice]" not in line]
                watched.said += told
                watched.reloads += any(line.startswith("nginx has read") for line in told)

    threads = [threading.Thread(target=work, daemon=True) for work in (listen, apply)]
    for thread in threads:
        thread.start()
    try:
        yield watched
    finally:
        ended.set()
        threads[1].join(60)
        watcher.kill()
        watcher.wait(10)


def inside(gateway: Served, *words: str) -> list[str]:
    """The command that runs Python where nginx runs: a verb of the watcher, or `-c` and a program that uses it."""
    enter = ["nsenter", "--target", str(gateway.process), "--mount", "--pid", "--root", "--wd=/", "--"]
    settings = ["STATE_DIRECTORY=/run/state", "PYTHONDONTWRITEBYTECODE=1", "PATH=/usr/local/bin:/usr/sbin:/usr/bin"]
    told = words if words[0] == "-c" else ("-m", "watcher", *words)
    return [*enter, "/usr/bin/env", "-i", f"--chdir={PATHS.library}", *settings, "/usr/bin/python3", "-u", *told]
