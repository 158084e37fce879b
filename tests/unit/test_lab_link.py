"""The link between labs: what it does with packets, alone and between two network namespaces."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

import pytest

from lab import links
from lab.layout import Lab
from lab.processes import identity, living
from lab.relay import Queue
from nordgate.errors import NordgateError

ROUND_TRIP = 0.035
_NEW_NETWORK = 0x40000000
_Found = TypeVar("_Found")


def test_a_packet_leaves_when_its_time_has_come_and_not_before() -> None:
    queue = Queue(delay=100)
    assert queue.due is None
    queue.put(b"one", now=7)
    assert queue.due == 107
    assert list(queue.take(106)) == []
    assert list(queue.take(107)) == [b"one"]
    assert queue.due is None


def test_packets_keep_their_order_and_their_distance() -> None:
    queue = Queue(delay=100)
    for number in range(5):
        queue.put(bytes([number]), now=number)
    assert list(queue.take(102)) == [b"\0", b"\1", b"\2"]
    assert queue.due == 103
    assert list(queue.take(1000)) == [b"\3", b"\4"]


def test_a_full_queue_drops_what_comes_and_keeps_what_it_has() -> None:
    queue = Queue(delay=100, limit=2)
    assert [queue.put(bytes([number]), now=0) for number in range(3)] == [True, True, False]
    assert list(queue.take(100)) == [b"\0", b"\1"]
    assert queue.put(b"next", now=100)


@pytest.mark.parametrize("other", ["10.81.0.0/24", "10.80.0.0/14", "10.81.0.128/25"])
def test_labs_with_overlapping_networks_are_not_linked(other: str) -> None:
    one, two = links.End(Lab("a"), IPv4Network("10.81.0.0/24")), links.End(Lab("b"), IPv4Network(other))
    with pytest.raises(
        NordgateError, match=rf"labs a and b cannot be linked: .* 10\.81\.0\.0/24 and {other}, which overlap"
    ):
        links.join(one, two, ROUND_TRIP)


def test_a_process_that_ended_is_not_taken_for_a_later_one() -> None:
    process = subprocess.Popen(["sleep", "60"])
    told = identity(process.pid)
    assert told is not None
    assert living(told) == process.pid
    assert living(f"{process.pid} 1") is None
    process.kill()
    process.wait()
    assert living(told) is None


class Namespace:
    """A network namespace, alive as long as its one process."""

    def __init__(self, network: str) -> None:
        self.network = IPv4Network(network)
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
        self.descriptor = os.pidfd_open(self.process.pid)
        ours = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + 5
        while Path(f"/proc/{self.process.pid}/ns/net").readlink() == ours:
            assert time.monotonic() < deadline, "waited 5 s for a network namespace"
            time.sleep(0.01)

    def run(self, *command: str) -> str:
        inside = ["nsenter", "--net", "--target", str(self.process.pid), "--", *command]
        return subprocess.run(inside, check=True, capture_output=True, text=True, timeout=10).stdout

    def do(self, work: Callable[[], _Found]) -> _Found:
        """`work` done by a thread inside."""
        found: list[_Found] = []

        def inside() -> None:
            assert ctypes.CDLL(None).setns(self.descriptor, _NEW_NETWORK) == 0
            found.append(work())

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join(10)
        return found[0]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)


@pytest.fixture
def sides() -> Iterator[tuple[Namespace, Namespace]]:
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        pytest.skip("needs root and /dev/net/tun")
    sides = Namespace("10.81.0.0/24"), Namespace("10.82.0.0/24")
    yield sides
    for side in sides:
        side.end()


def link(one: Namespace, other: Namespace) -> subprocess.Popen[str]:
    words = [f"{side.descriptor}={side.network}" for side in (one, other)]
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.link", str(ROUND_TRIP), *words],
        pass_fds=[side.descriptor for side in (one, other)], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "linked\n"
    return process


def times(side: Namespace, address: str, count: int = 20) -> list[float]:
    """Seconds until a connection to `address`, where nobody listens, is refused."""

    def ask() -> list[float]:
        found = []
        for _ in range(count):
            with socket.socket() as asking:
                asking.settimeout(2)
                started = time.monotonic()
                assert asking.connect_ex((address, 9)) == errno.ECONNREFUSED
                found.append(time.monotonic() - started)
        return found

    return side.do(ask)


def test_a_round_trip_takes_what_was_declared(sides: tuple[Namespace, Namespace]) -> None:
    process = link(*sides)
    for side, address in zip(sides, ("10.82.0.1", "10.81.0.1"), strict=True):
        found = times(side, address)
        assert min(found) >= ROUND_TRIP
        # On a busy machine it is also the asking that waits.
        assert statistics.quantiles(found)[0] < ROUND_TRIP + 0.005, found
    process.kill()
    process.wait()


def test_the_link_ends_with_either_side_and_takes_its_interface_along(sides: tuple[Namespace, Namespace]) -> None:
    process = link(*sides)
    assert "10.82.0.0/24" in sides[0].run("ip", "route")
    sides[1].process.kill()
    process.wait(5)
    assert "link0" not in sides[0].run("ip", "-o", "link")
    assert sides[0].run("ip", "route") == ""


def test_only_the_links_packets_pass_a_closed_network(sides: tuple[Namespace, Namespace]) -> None:
    """Whatever libvirt puts first, and however often the network is made again."""
    process = link(*sides)
    for _ in range(2):
        sides[1].run("iptables", "-I", "FORWARD", "-o", "closed", "-j", "REJECT")
        sides[1].run("ip", "link", "add", "closed", "type", "bridge")
        deadline = time.monotonic() + 5
        while not (rules := sides[1].run("iptables", "-S", "FORWARD").splitlines())[1].endswith("-o link+ -j ACCEPT"):
            assert time.monotonic() < deadline, rules
            time.sleep(0.05)
        sides[1].run("ip", "link", "delete", "closed")
    assert rules[1:3] == [
        "-A FORWARD -s 10.82.0.0/24 -d 10.81.0.0/24 -o link+ -j ACCEPT",
        "-A FORWARD -s 10.81.0.0/24 -d 10.82.0.0/24 -i link+ -j ACCEPT",
    ]
    assert len([rule for rule in rules if "link+" in rule]) == 2
    process.kill()
    process.wait()
