"""Large bodies: what is too large is 413, what finds no room is 503, and nothing of either is written to the disk."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudinit import PATHS, PLATFORMS, GatewaySettings, seed_documents
from tests.render import calls
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import GUEST, NAME, Served

LOGROTATE = "/etc/systemd/system/nordgate-logrotate.service"
MIB = 1 << 20
ROOM = 2 * MIB
VERSIONS = ["--http1.1", "--http2"]
CHUNKED = ["known", "unknown"]
"""Whether the client says how long the body is."""


def settings() -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "serverNames": [NAME],
            "upstreams": {"api": {"servers": ["127.0.0.2:9001"]}, "calls": {"servers": [calls.ADDRESS]}},
            "routes": [
                {"path": "/", "upstream": "api", "maxBodyMegabytes": 1},
                {"path": "/socket/", "upstream": "api", "kind": "websocket", "maxBodyMegabytes": 2},
                {"path": "/stream/", "upstream": "api", "kind": "stream", "maxBodyMegabytes": 5},
                {"path": "/endless/", "upstream": "api", "kind": "stream", "maxBodyMegabytes": 0},
                {"path": "/calls.Service/Count", "upstream": "calls", "kind": "grpc", "exact": True},
                {"path": "/calls.Service/", "upstream": "calls", "kind": "grpc", "maxBodyMegabytes": 1},
            ],
            "bodyBufferMegabytes": ROOM // MIB,
            "concurrentClients": 500,
        }
    )


@pytest.fixture(scope="module", params=DEBIANS)
def filled(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    with calls.serving_calls(serve, settings(), request.param) as served:
        yield served


def inside(served: Served, path: str) -> Path:
    """A path as nginx sees it."""
    return Path(f"/proc/{served.process}/root{path}")


@contextmanager
def full(served: Served) -> Iterator[None]:
    """Not a byte is left for bodies."""
    filler = inside(served, f"{PATHS.bodies}/filler")
    try:
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(2 * ROOM))
        yield
    finally:
        filler.unlink()


def post(served: Served, path: str, size: int, *words: str, known: str = "known") -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the answer to a POST of that many bytes."""
    length = ("--data-binary", "@-") if known == "known" else ("--request", "POST", "--upload-file", "-")
    command = [
        *("curl", "--silent", "--include", "--max-time", "20", "--cacert", str(served.authority)),
        *("--header", "Expect:", "--connect-to", "::127.0.0.1:443", *length, *words, f"https://{NAME}{path}"),
    ]
    done = subprocess.run(command, input=b"x" * size, capture_output=True, timeout=60)
    head, _, body = done.stdout.decode().replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    headers = [line.lower().partition(": ") for line in lines]
    assert len(dict.fromkeys(name for name, _, _ in headers)) == len(headers), f"a header came twice: {head}"
    return int(first.split()[1]), {name: value for name, _, value in headers}, body


@pytest.mark.parametrize("known", CHUNKED)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_body_up_to_the_limit_arrives_whole(filled: Served, version: str, known: str) -> None:
    for path, size in (("/x", MIB), ("/socket/x", 2 * MIB), ("/stream/x", 5 * MIB), ("/endless/x", 9 * MIB)):
        status, _, body = post(filled, path, size, version, known=known)
        assert (path, status) == (path, 200)
        assert json.loads(body)["length"] == size
    assert list(inside(filled, PATHS.bodies).iterdir()) == [], "what waited is gone"


@pytest.mark.parametrize("known", CHUNKED)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("path", "size"), [("/x", MIB + 1), ("/x", 30 * MIB), ("/socket/x", 2 * MIB + 1), ("/stream/x", 5 * MIB + 1)]
)
def test_a_larger_body_is_413(filled: Served, path: str, size: int, version: str, known: str) -> None:
    status, headers, _ = post(filled, path, size, version, known=known)
    assert status == 413
    assert headers["strict-transport-security"]


def test_a_body_that_finds_no_room_is_503_and_may_come_again(filled: Served) -> None:
    with full(filled):
        for version in VERSIONS:
            for known in CHUNKED:
                status, headers, _ = post(filled, "/x", MIB // 2, version, known=known)
                assert (status, headers["retry-after"]) == (503, "5")
                assert headers["strict-transport-security"]
                assert headers["x-request-id"]
            # What needs no room is served.
            assert post(filled, "/x", 8000, version)[0] == 200
            assert post(filled, "/stream/x", 4 * MIB, version)[0] == 200
            assert post(filled, "/x", 2 * MIB, version)[0] == 413
        assert filled.ask("/x").status == 200
    assert post(filled, "/x", MIB)[0] == 200


def test_an_error_of_the_upstream_stays_its_own(filled: Served) -> None:
    filled.backends.fail_every = 1
    try:
        assert filled.ask("/x").status == 500
    finally:
        filled.backends.fail_every = 0


def test_ready_takes_no_body(filled: Served) -> None:
    assert post(filled, "/ready", 100)[0] == 200
    assert post(filled, "/ready", 20_000)[0] == 413


def test_all_messages_of_a_stream_of_calls_are_one_body_without_a_limit_of_its_own(filled: Served) -> None:
    trust = filled.authority.read_bytes()
    with calls.clients() as pool:
        assert pool.submit(calls.count, trust, "Count", 48, 65536).result() == str(3 * MIB)
        assert "413" in pool.submit(calls.count, trust, "Sum", 48, 65536).result()


def test_nothing_is_written_to_the_disk(filled: Served) -> None:
    """Neither a body nor an answer that its client does not take."""
    with filled.tls(filled.context()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET /x?pad={32 * MIB} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        assert slow.recv(1)
        assert post(filled, "/x", MIB)[0] == 200
        workers = Path(f"/proc/{filled.process}/task/{filled.process}/children").read_text().split()
        opened = {str(link.readlink()) for pid in workers for link in Path(f"/proc/{pid}/fd").iterdir()}
        assert [path for path in opened if "/var/" in path or "(deleted)" in path] == []
    assert [path for path in inside(filled, "/var/lib/nginx").rglob("*") if path.is_file()] == []


def test_the_place_is_nginxs_alone(filled: Served) -> None:
    found = inside(filled, PATHS.bodies).stat()
    assert (found.st_uid, oct(found.st_mode & 0o777)) == (33, "0o700")


def test_what_a_worker_left_that_died_is_removed_and_nothing_else() -> None:
    unit = seed_documents(GUEST, settings(), PLATFORMS["debian-13"]).files[LOGROTATE].content
    (command,) = [line.partition("=-")[2] for line in unit.splitlines() if line.startswith("ExecStartPre=")]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        victim = place.parent / f"{place.name}.of-root"
        for path, age in ((place / "left", 7200), (place / "fresh", 60), (victim, 7200)):
            path.write_bytes(b"x")
            os.utime(path, (time.time() - age,) * 2)
        (place / "link").symlink_to(victim)
        os.chown(place, 33, 33)
        try:
            subprocess.run(command.replace(PATHS.bodies, name).split(), check=True, timeout=20)
            assert (sorted(path.name for path in place.iterdir()), victim.exists()) == (["fresh", "link"], True)
        finally:
            victim.unlink()
