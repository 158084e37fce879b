"""London's gateway measured from Oslo: two labs, a link between them, and packets that take their time.

The gateway stands in one lab; the other has no guest. The tests share both and run in this order.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import control, links
from lab.inside import enter, first_process
from lab.layout import Forward, Lab
from lab.processes import identity
from tests.e2e.project import SOURCE, Project, leftovers

NORTH, SOUTH = Lab("north"), Lab("south")
NORTH_PORT, SOUTH_PORT = 8791, 8792
GATEWAY = "10.82.0.11"
ROUND_TRIP = 35.0
"""Milliseconds; so declared in both region files."""
SLACK = 15.0
"""Milliseconds that an emulated guest may add to the least of several times; a busy machine adds more to the others."""
VANTAGES = """
  vantages:
    here: {reach: local}
    oslo: {reach: "region:oslo", budget: {p50: 45ms, p99: 120ms}}
"""

_ASK = """
import json, socket, ssl, sys, time
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
found = []
for _ in range(int(sys.argv[2])):
    moments = [time.monotonic()]
    with socket.create_connection((sys.argv[1], 443), timeout=10) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        moments.append(time.monotonic())
        with context.wrap_socket(plain, server_hostname="api.london.example.net") as connection:
            moments.append(time.monotonic())
            connection.sendall(b"GET /health HTTP/1.1\\r\\nHost: api.london.example.net\\r\\n\\r\\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            moments.append(time.monotonic())
    found.append([1000 * (after - before) for before, after in zip(moments, moments[1:])])
print(json.dumps(found))
"""
"""Milliseconds of each connection's TCP handshake, TLS handshake and request."""

_ECHO = """
import json, socket, struct, sys, time
found = []
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as plain:
    plain.settimeout(5)
    for number in range(int(sys.argv[2])):
        body = struct.pack("!HH", 0x4E47, number)
        started = time.monotonic()
        plain.sendto(struct.pack("!BBH", 8, 0, 0xFFFF - 0x0800 - 0x4E47 - number & 0xFFFF) + body, (sys.argv[1], 0))
        answer = b""
        while answer[20:21] + answer[24:28] != b"\\0" + body:
            answer = plain.recv(4096)
        found.append([1000 * (time.monotonic() - started), answer[8]])
print(json.dumps(found))
"""
"""Milliseconds of each echo, and the TTL of its answer."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A checkout whose stack is London in the lab `south`, and whose stack of Oslo would stand in the lab `north`."""
    project = Project(tmp_path_factory.mktemp("checkout"), SOUTH.name, SOUTH_PORT)
    project.lab_down(NORTH.name)
    project.edit("nordgate:region: oslo", "nordgate:region: london")
    project.edit("address: 10.81.0.11", f"address: {GATEWAY}")
    stacks = project.folder / "stacks"
    text = (stacks / "Pulumi.oslo-test.yaml").read_text()
    text = text.replace("/lab/oslo/", f"/lab/{NORTH.name}/").replace("127.0.0.1:8443", f"127.0.0.1:{NORTH_PORT}")
    (stacks / "Pulumi.oslo-test.yaml").write_text(text)
    london = stacks / "regions/london.yaml"
    london.write_text(london.read_text().rstrip("\n") + VANTAGES)
    yield project
    project.make("destroy")
    project.lab_down()
    project.lab_down(NORTH.name)


def from_north(script: str, address: str, count: int = 15) -> list[list[float]]:
    return from_lab(NORTH, script, address, count)


def from_lab(lab: Lab, script: str, address: str, count: int = 15) -> list[list[float]]:
    done = subprocess.run(
        [*enter(lab), sys.executable, "-c", script, address, str(count)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[list[float]] = json.loads(done.stdout)
    return found


def series(project: Project) -> dict[str, Any]:
    """What the last smoke check measured, by vantage point."""
    report = json.loads((project.folder / f".nordgate/reports/{project.stack}-gw1.json").read_text())
    assert report["verdict"] == "pass", report["failing"]
    return {one["vantage"]: one for one in report["series"]}


def links_of(lab: Lab) -> list[int]:
    """Processes of links, by the network namespace that they are in: the lab's."""
    found = subprocess.run(["pgrep", "-f", "lab.link"], capture_output=True, text=True, check=False).stdout
    network = Path(f"/proc/{first_process(lab)}/ns/net").readlink()
    return [int(pid) for pid in found.split() if Path(f"/proc/{pid}/ns/net").readlink() == network]


def test_without_the_other_lab_the_command_to_type_is_said(project: Project) -> None:
    ended = project.make("lab-up")
    assert ended.code != 0, ended.output
    assert (
        'nordgate: lab north is not running, and south-test is measured from there: run "make lab-up STACK=north-test" '
        "first." in ended.output
    ), ended.output
    assert project.make("destroy").code == 0, "what is to be deleted needs no link"


def test_the_gateway_comes_up_and_is_measured_from_both_places(project: Project) -> None:
    chronyd = str(SOURCE / ".nordgate/packages/usr/sbin/chronyd")
    control.up(NORTH, [Forward(NORTH_PORT, "10.81.0.11", 443)], ["10.81.0.21", "10.81.0.22"], chronyd)
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert "Link labs north and south, 35 ms" in ended.output, ended.output
    found = series(project)
    here, there = (min(part["gateway"]["p50"] for part in found[place]["rounds"]) for place in ("here", "oslo"))
    assert ROUND_TRIP <= there < ROUND_TRIP + here + SLACK, (here, there)
    (line,) = (line for line in found["oslo"]["lines"] if line["what"].startswith("p50"))
    assert "535" in line["budget"], "35 ms, and 50 times the 10 ms that the budget leaves beyond"


def test_packets_take_as_long_as_declared_and_lose_one_hop() -> None:
    echoes = from_north(_ECHO, GATEWAY)
    times, hops = zip(*echoes, strict=True)
    assert ROUND_TRIP <= min(times) < ROUND_TRIP + SLACK
    # Linux sends with 64; the lab that the guest stands in routes, and nothing else does.
    assert set(hops) == {63}


def test_each_handshake_and_each_request_costs_a_round_trip() -> None:
    """Where a proxy ended the connection, the TCP handshake would cost nothing.

    What an emulated processor takes for each, beside whatever else runs, is measured without the distance.
    """
    there, here = (zip(*from_lab(lab, _ASK, GATEWAY), strict=True) for lab in (NORTH, SOUTH))
    for what, far, near in zip(("TCP", "TLS", "request"), there, here, strict=True):
        assert ROUND_TRIP <= min(far) < ROUND_TRIP + min(near) + SLACK, what


def test_the_link_has_no_connection_of_its_own() -> None:
    """Its only sockets are those that the kernel tells of changed interfaces."""
    (process,) = links_of(SOUTH)
    files = [str(file.readlink()) for file in Path(f"/proc/{process}/fd").iterdir()]
    sockets = {file.removeprefix("socket:[").rstrip("]") for file in files if file.startswith("socket:")}
    of_kernel = {
        line.split()[-1]
        for lab in (NORTH, SOUTH)
        for line in Path(f"/proc/{first_process(lab)}/net/netlink").read_text().splitlines()
    }
    assert sockets <= of_kernel
    assert files.count("/dev/net/tun") == 2


def test_a_second_lab_up_leaves_the_link_alone(project: Project) -> None:
    before = links_of(SOUTH)
    assert len(before) == 1
    ended = project.make("lab-up")
    assert ended.code == 0, ended.output
    assert "Link labs" not in ended.output
    assert links_of(SOUTH) == before


def test_a_link_that_died_is_made_again_by_the_next_lab_up(project: Project) -> None:
    os.kill(links_of(SOUTH)[0], signal.SIGKILL)
    ended = project.make("lab-up")
    assert ended.code == 0, ended.output
    assert "Link labs" in ended.output, ended.output
    assert min(from_north(_ECHO, GATEWAY, 3))[0] >= ROUND_TRIP


@pytest.mark.long
def test_the_smoke_check_runs_any_time_over_the_link(project: Project) -> None:
    ended = project.make("smoke")
    assert ended.code == 0, ended.output
    assert series(project)["oslo"]["latency"]["p50"] >= ROUND_TRIP


def test_the_link_ends_with_a_lab_and_leaves_the_other_alone(project: Project) -> None:
    (process,) = links_of(SOUTH)
    project.lab_down(NORTH.name)
    assert identity(process) is None
    assert links.linked(SOUTH) == []
    routes = subprocess.run([*enter(SOUTH), "ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "10.81.0.0/24" not in routes
    assert control.guests(SOUTH) == [f"{project.stack}-gw1"]


def test_nothing_is_left(project: Project) -> None:
    ended = project.make("destroy")
    assert ended.code == 0, ended.output
    project.lab_down()
    assert leftovers(project) == []
    assert not NORTH.root.exists()
