"""The rendered rotation, run by each Debian's own logrotate under a serving nginx: no line lost, no disk filled."""

from __future__ import annotations

import http.client
import re
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudinit import PATHS, PLATFORMS, GatewaySettings, seed_documents
from cloudinit.system import system_files
from tests.render.backends import started
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import GUEST, NAME, Served, network_of_its_own

KEPT = 2
GATEWAY = GatewaySettings.model_validate(
    {
        "serverNames": [NAME],
        "upstreams": {"api": {"servers": ["127.0.0.2:9001"]}},
        "routes": [{"path": "/v1/", "upstream": "api"}],
        # Nothing is flushed by the clock while these tests run: what reaches the files does so at the rotation.
        "log": {"rotateMegabytes": 1, "rotateKeep": KEPT, "flushSeconds": 600, "audit": True},
        "concurrentClients": 500,
    }
)
# Three requests fill a buffer of 64 KiB, and 90 a megabyte of log.
LONG = "x" * 12_000


@pytest.fixture(params=DEBIANS)
def logging(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    documents = seed_documents(GUEST, GATEWAY, PLATFORMS[request.param])
    with network_of_its_own(), started() as backends, serve(documents, request.param, backends) as gateway:
        yield gateway


def folder(gateway: Served) -> Path:
    return gateway.site.folder / PATHS.log.lstrip("/")


def ask(gateway: Served, first: int, count: int, padding: str = "") -> None:
    """Numbered requests, answered by nginx itself with 404 and logged."""
    client = http.client.HTTPSConnection("127.0.0.1", context=gateway.context(), timeout=10)
    client.sock = gateway.tls(gateway.context())
    for number in range(first, first + count):
        client.request("GET", f"/number-{number}?{padding}", headers={"Host": NAME})
        client.getresponse().read()
    client.close()


def _command() -> list[str]:
    unit = system_files(GUEST, GATEWAY, PLATFORMS["debian-13"])[
        "/etc/systemd/system/nordgate-logrotate.service"
    ].content
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    return str(command).split()


def rotate(gateway: Served) -> None:
    """What nordgate-logrotate.service runs, among nginx's own processes and mounts."""
    inside = ["nsenter", "--target", str(gateway.process), "--mount", "--pid", "chroot", str(gateway.site.root)]
    done = subprocess.run([*inside, *_command()], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def numbers(gateway: Served, name: str) -> Counter[int]:
    """How often each request stands in the log and in what was rotated away."""
    lines = "".join(path.read_text() for path in folder(gateway).glob(f"{name}*"))
    return Counter(int(number) for number in re.findall(r'"uri":"/number-(\d+)', lines))


def wait_for(gateway: Served, number: int) -> None:
    """Until the workers have written the line: they are told by a signal, and do it a moment later."""
    deadline = time.monotonic() + 10
    while number not in numbers(gateway, "access.json"):
        assert time.monotonic() < deadline, f"request {number} is not in the log ten seconds after the rotation"
        time.sleep(0.05)


def test_a_log_below_its_size_is_left_alone(logging: Served) -> None:
    ask(logging, 0, 20, LONG)
    rotate(logging)
    assert sorted(path.name for path in folder(logging).glob("*.json*")) == ["access.json", "audit.json"]


def test_a_log_above_its_size_is_rotated_and_no_line_is_lost(logging: Served) -> None:
    ask(logging, 0, 120, LONG)
    # Too few bytes to fill a buffer: when the rotation comes they are in nginx's memory only.
    ask(logging, 120, 5)
    rotate(logging)
    wait_for(logging, 124)
    assert (folder(logging) / "access.json").stat().st_size < 1 << 20
    assert "/number-0?" in (folder(logging) / "access.json.1").read_text()
    ask(logging, 125, 60, LONG)
    assert "/number-125?" in (folder(logging) / "access.json").read_text(), "nginx writes to the new file"
    assert {path.stat().st_mode & 0o777 for path in folder(logging).glob("*.json")} == {0o640}
    for name in ("access.json", "audit.json"):
        seen = numbers(logging, name)
        assert set(seen.values()) == {1}
        assert set(range(125)) <= set(seen)


def test_only_so_many_old_logs_are_kept(logging: Served) -> None:
    for turn in range(KEPT + 3):
        ask(logging, 1000 * turn, 100, LONG)
        rotate(logging)
        wait_for(logging, 1000 * turn + 99)
    kept = sorted(path.name for path in folder(logging).glob("access.json*"))
    assert kept == ["access.json", *(f"access.json.{number}" for number in range(1, KEPT + 1))]


def test_logs_grow_with_their_volume_and_together_fill_three_quarters_of_it(logging: Served) -> None:
    """Where no size is stated: what one may have is asked of the file system at each look, and how many there are.

    Of 60 MiB, 45 are for two logs and two old ones each: 7.5 MiB. Of 120 MiB, 15.
    """
    free = GATEWAY.model_copy(update={"log": GATEWAY.log.model_copy(update={"rotate_megabytes": None, "audit": False})})
    files = system_files(GUEST, free, PLATFORMS["debian-13"])
    for path in (PATHS.rotation, PATHS.rotate):
        (logging.site.folder / path.lstrip("/")).write_text(files[path].content)
    volume = f"{logging.site.root}{PATHS.data}"
    inside = ["nsenter", "--target", str(logging.process), "--mount"]
    script = f"""
        mount -t tmpfs -o size=60m none {volume}; mkdir {volume}/log; cd {volume}/log
        look() {{ $ROTATE; echo "$1: $(ls | xargs)"; }}
        : >error.log
        head -c 7M /dev/zero >access.json; look 'below'
        head -c 1M /dev/zero >>access.json; look 'above'
        mount -o remount,size=120m {volume}
        head -c 14M /dev/zero >access.json; look 'grown, below'
        : >former.json; look 'grown, and a third log'
    """
    rotation = shlex.join(["chroot", str(logging.site.root), *_command()])
    done = subprocess.run(
        [*inside, "bash", "-ec", script.replace("$ROTATE", rotation)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "below: access.json error.log",
        "above: access.json access.json.1 error.log",
        "grown, below: access.json access.json.1 error.log",
        "grown, and a third log: access.json access.json.1 access.json.2 error.log former.json",
    ]


def test_logs_of_the_system_are_bounded_by_their_size_too(logging: Served) -> None:
    """By 8 MiB and one old file; a program that has its log open goes on writing to it."""
    system = logging.site.root / "var/log"
    inside = ["nsenter", "--target", str(logging.process), "--mount"]
    script = f"""
        mount -t tmpfs -o mode=0755 none {system}; cd {system}
        exec 3>>daemon.log
        for log in btmp daemon.log; do for turn in 1 2 3; do head -c 9M /dev/zero >>$log; $ROTATE; done; done
        echo goes on >&3
        stat -c '%n %s' *
    """
    rotation = shlex.join(["chroot", str(logging.site.root), *_command()])
    done = subprocess.run(
        [*inside, "bash", "-ec", script.replace("$ROTATE", rotation)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    sizes = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert sizes == {"btmp": "0", "btmp.1": str(9 << 20), "daemon.log": "8", "daemon.log.1": str(9 << 20)}
