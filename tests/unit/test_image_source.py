"""A stack's image: whole and as declared, or nothing; downloaded once, and never by half."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import multiprocessing
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import nordgate.deployment.image_download
from nordgate.deployment.image_download import verify
from nordgate.design.image import VerifiedImage, declared
from nordgate.settings.loader import parse
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_settings import Image
from tests.unit.test_settings import GOOD, PROJECT

CONTENT = b"QFI\xfb" + bytes(3 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA512 = hashlib.sha512(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `sends` bytes of it, then `stalls` for seconds; `status` instead of 200.

    What comes after those bytes it `drips`, so many seconds apart.
    """

    daemon_threads = True
    sends, stalls, drips, status, requests = len(CONTENT), 0.0, 0.0, 200, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/image.qcow2"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: self.server.sends])
        self.wfile.flush()
        for byte in CONTENT[self.server.sends :] if self.server.drips else b"":
            self.wfile.write(bytes([byte]))
            time.sleep(self.server.drips)
        time.sleep(self.server.stalls)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    listening = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield listening
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def image(server: Server) -> VerifiedImage:
    return declared(Image(url=server.url, sha256=SHA256), Path(), "stack file")


def fetch(image: VerifiedImage, project: Path) -> list[str]:
    said: list[str] = []
    verify(image, project, "stack file", said.append)
    return said


def refusal(image: VerifiedImage, project: Path) -> str:
    with pytest.raises(SettingsError) as error:
        fetch(image, project)
    assert not (project / image.file).exists(), "nothing stands under the image's name"
    assert (project / image.file).with_suffix(".part").stat().st_size == 0, "nothing of it takes room"
    return str(error.value)


def test_an_image_is_downloaded_once_with_progress(image: VerifiedImage, server: Server, tmp_path: Path) -> None:
    assert fetch(image, tmp_path)[-1] == "image: 3 of 3 MiB"
    assert (tmp_path / image.file).read_bytes() == CONTENT
    assert fetch(image, tmp_path) == []
    assert server.requests == 1
    assert list((tmp_path / image.file).parent.glob("*.part")) == []


def test_a_checksum_of_512_bits_serves_as_well(server: Server, tmp_path: Path) -> None:
    image = declared(Image(url=server.url, sha512=SHA512), tmp_path, "stack file")
    fetch(image, tmp_path)
    assert SHA512[:16] in image.file


def test_another_content_is_refused_with_both_checksums(image: VerifiedImage, tmp_path: Path) -> None:
    said = refusal(dataclasses.replace(image, checksum="0" * 64), tmp_path)
    assert SHA256 in said
    assert f"declared is {'0' * 64}" in said
    assert "nothing was changed" in said


def test_a_file_that_was_changed_since_is_refused(image: VerifiedImage, tmp_path: Path) -> None:
    fetch(image, tmp_path)
    (tmp_path / image.file).write_bytes(CONTENT + b"x")
    with pytest.raises(SettingsError, match="declared is"):
        fetch(image, tmp_path)


def test_a_transfer_that_ends_early_is_refused(image: VerifiedImage, server: Server, tmp_path: Path) -> None:
    server.sends = 1 << 20
    assert "the transfer ended after 1048576 of 3145732 bytes" in refusal(image, tmp_path)


def test_a_missing_image_says_what_the_server_said(image: VerifiedImage, server: Server, tmp_path: Path) -> None:
    server.status = 404
    assert f"{server.url} cannot be downloaded: 404 Not Found" in refusal(image, tmp_path)


def test_a_server_that_is_away_is_one_sentence(image: VerifiedImage, server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    assert "Connection refused" in refusal(image, tmp_path)


def test_a_server_that_falls_silent_is_given_up(
    image: VerifiedImage, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nordgate.deployment.image_download._SILENCE", 0.3)
    server.sends, server.stalls = 1000, 5
    assert "timed out" in refusal(image, tmp_path)


def test_a_download_that_was_killed_is_begun_anew(image: VerifiedImage, server: Server, tmp_path: Path) -> None:
    server.sends, server.stalls = 2 << 20, 20
    process = multiprocessing.get_context("spawn").Process(target=fetch, args=(image, tmp_path))
    process.start()
    part = (tmp_path / image.file).with_suffix(".part")
    end = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < end, "the download did not begin within 20 s"
        time.sleep(0.02)
    process.kill()
    process.join(10)
    assert not (tmp_path / image.file).exists()
    server.sends, server.stalls = len(CONTENT), 0
    fetch(image, tmp_path)
    assert (tmp_path / image.file).read_bytes() == CONTENT


def test_two_stacks_that_want_the_image_fetch_it_once(image: VerifiedImage, server: Server, tmp_path: Path) -> None:
    server.stalls = 0.3
    threads = [threading.Thread(target=fetch, args=(image, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert server.requests == 1


def test_what_is_no_qcow2_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(b"raw")
    image = VerifiedImage("disk.raw", hashlib.sha256(b"raw").hexdigest())
    with pytest.raises(SettingsError, match=r"disk\.raw is no qcow2 file"):
        fetch(image, tmp_path)


def test_a_preview_needs_no_network(tmp_path: Path) -> None:
    image = declared(Image(url="http://192.0.2.1/image.qcow2", sha256=SHA256), tmp_path, "stack file")
    assert image.checksum == SHA256


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "needs `file` or `url`"),
        ({"file": "a.qcow2", "url": "https://x/a.qcow2", "sha256": SHA256}, "`file` is set too: one of them"),
        ({"url": "https://x/a.qcow2"}, "image.url   https://x/a.qcow2: needs a checksum, sha256 or sha512"),
        ({"url": "https://x/a.qcow2", "sha256": SHA256, "sha512": SHA512}, "one checksum is enough"),
        ({"url": "ftp://x/a.qcow2", "sha256": SHA256}, 'image.url   "ftp://x/a.qcow2" is not http'),
        ({"file": "a.qcow2", "sha256": "abc"}, "image.sha256   abc"),
    ],
)
def test_an_image_has_one_place_and_what_is_fetched_has_a_checksum(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(GOOD | {"nordgate:image": settings}, "oslo-test", PROJECT)
    assert said in str(error.value)


def test_a_server_that_drips_is_given_up(
    server: Server, image: VerifiedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and the file never."""
    monkeypatch.setattr(nordgate.deployment.image_download, "_BEGINNING", 0.5)
    server.sends, server.drips = 1000, 0.01
    started = time.monotonic()
    said = refusal(image, tmp_path)
    assert re.search(r"image\.url .* cannot be downloaded: \d+ bytes came in \d s, which is less than 0.2 Mbit/s", said)
    assert time.monotonic() - started < 10


def test_a_download_of_another_run_that_has_got_stuck_is_not_waited_for(
    server: Server, image: VerifiedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nordgate.deployment.image_download, "_BEGINNING", 0.2)
    monkeypatch.setattr(nordgate.deployment.image_download, "_SILENCE", 0.1)
    told: list[str] = []
    part = (tmp_path / image.file).with_suffix(".part")
    part.parent.mkdir(parents=True)
    with part.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SettingsError, match=r"is downloaded by another run, and .* does not grow: end it"):
            verify(image, tmp_path, "stack", told.append)
    assert told == ["image: another run downloads it"]
    assert server.requests == 0
