"""A guest behind a fake virsh, and a TLS server whose delays are known."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from nordgate.hypervisor.virsh import Hypervisor
from smoke.plan import Plan
from smoke.plan_reader import parse_plan
from tests.unit.smoke.fake_virsh import answer

SERVER_NAME = "api.test.localhost"
# What the server below does not do; tests/render has a real nginx for it.
NOT_NGINX = ["tls-floor", "ciphers", "http2", "resumption", "hsts", "headers", "unknown-host", "version"]
GOOD_BOOT = json.dumps({"ready": True, "contentHash": "new", "steps": [{"name": "nginx", "seconds": 1, "ok": True}]})


class Guest:
    """The scenario of the fake virsh."""

    def __init__(self, path: Path):
        self._path = path
        self.set(state="running (booted)", boot=GOOD_BOOT)

    def set(self, **values: Any) -> None:
        scenario = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._path.write_text(json.dumps(scenario | values))

    def get(self, key: str) -> Any:
        return json.loads(self._path.read_text()).get(key)

    @property
    def hypervisor(self) -> Hypervisor:
        return Hypervisor("test:///fake")


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guest:
    program = tmp_path / "bin" / "virsh"
    program.parent.mkdir()
    fake = Path(__file__).with_name("fake_virsh.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{fake}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("FAKE_VIRSH", str(tmp_path / "scenario.json"))
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    real = subprocess.run

    def run(command: list[str], *words: Any, **settings: Any) -> subprocess.CompletedProcess[Any]:
        """virsh is asked hundreds of times: in this process its answers cost nothing."""
        if command[0] != "virsh" or shutil.which("virsh") is None:
            return real(command, *words, **settings)
        return subprocess.CompletedProcess(command, *answer(command[1:], tmp_path / "scenario.json"))

    monkeypatch.setattr(subprocess, "run", run)
    return Guest(tmp_path / "scenario.json")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of SERVER_NAME, with its key beside it."""
    path = tmp_path_factory.mktemp("tls") / "gateway.crt"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=gateway"
    words += f" -addext subjectAltName=DNS:{SERVER_NAME} -addext basicConstraints=critical,CA:FALSE"
    words += f" -keyout {path.with_suffix('.key')} -out {path}"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    return path


class Server:
    """A keep-alive HTTPS server in a thread. `delay(seconds since its start, number of the request)` is slept
    before each answer; `status` and `body` are what it answers, and it closes a connection after `per_connection`:
    with its last answer, or `instead` of it; `abruptly`, as when its process dies. It ends in the middle of the answer
    to request `dies_at`."""

    def __init__(self, certificate: Path):
        self.delay: Callable[[float, int], float] = lambda *_: 0.0
        self.status = 200
        self.body = '{"backend": "one"}'
        self.per_connection = 1_000_000
        self.instead = self.abruptly = False
        self.dies_at = 0
        self.requests = 0
        self.started = time.monotonic()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self._bound: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self.port = self._bound.result(10)

    def restart_clock(self) -> None:
        self.started, self.requests = time.monotonic(), 0

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._context)
        self._bound.set_result(server.sockets[0].getsockname()[1])
        await self._stopped.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for number in range(1, self.per_connection + 1):
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                await asyncio.sleep(self.delay(time.monotonic() - self.started, self.requests))
                if number == self.per_connection and (self.instead or self.abruptly):
                    if self.abruptly:
                        writer.transport.abort()
                    return
                last = "close" if number == self.per_connection else "keep-alive"
                head = f"HTTP/1.1 {self.status} Said\r\nContent-Length: {len(self.body)}\r\nConnection: {last}\r\n\r\n"
                dies = self.requests == self.dies_at
                writer.write((head + self.body).encode()[: 20 if dies else None])
                await writer.drain()
                if dies:
                    writer.transport.abort()
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    started = Server(certificate)
    yield started
    started.stop()


class Doorkeeper:
    """Passes the first `lets_in` connections on to a server; the others it leaves without a word, or ends at once."""

    def __init__(self, port: int, lets_in: int, ends: bool = False):
        self._behind, self._lets_in, self._ends = port, lets_in, ends
        self.kept: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._listener, *self.kept):
            one.close()

    def _accept(self) -> None:
        for number in itertools.count():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.kept.append(client)
            if number < self._lets_in:
                behind = socket.create_connection(("127.0.0.1", self._behind))
                self.kept.append(behind)
                for source, sink in ((client, behind), (behind, client)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()
            elif self._ends:
                client.recv(65536)
                client.close()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)


Doorkeepers = Callable[..., Doorkeeper]


@pytest.fixture
def doorkeeper(server: Server) -> Iterator[Doorkeepers]:
    """One in front of the server, however it is to behave."""
    with contextlib.ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(contextlib.closing(Doorkeeper(server.port, **behaviour)))


MakePlan = Callable[..., Plan]


@pytest.fixture
def make_plan(certificate: Path) -> MakePlan:
    """A plan for a port of this machine, with settings replaced or, as None, left out."""

    def make(port: int = 1, **settings: Any) -> Plan:
        whole = {
            "stack": "test",
            "gateway": "gw1",
            "url": f"https://{SERVER_NAME}:{port}",
            "connect": f"127.0.0.1:{port}",
            "trust": {"caFile": str(certificate)},
            "skip": NOT_NGINX,
            "load": {"rate": 200, "durationSeconds": 0.5, "warmUpSeconds": 0.1, "connections": 4},
        } | settings
        return parse_plan(json.dumps({key: value for key, value in whole.items() if value is not None}), "test")

    return make
