"""The rendered rule set, loaded by the distribution's own nft: what another machine can reach, and what it cannot."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cloudinit import PLATFORMS, GatewaySettings, GuestSettings, seed_documents
from tests.render.served import network_of_its_own
from tests.render.sites import CASES, platforms_of, rendered_case

TCP, UDP = (22, 80, 443, 8081), (443, 444)
# Runs at the other end of the cable and prints which of the ports answer.
PROBE = """
import json, socket, sys
answered = []
for kind, port in json.loads(sys.argv[1]):
    with socket.socket(type=socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        try:
            client.connect(("10.8.0.11", port))
            client.send(b"hello")
            client.recv(5)
            answered.append(f"{kind} {port}")
        except OSError:
            pass
print(json.dumps(answered))
"""


@contextmanager
def cable() -> Iterator[int]:
    """A card 10.8.0.11 here, and another machine's 10.8.0.1 in the network of the process that it gives."""
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as other:
        try:
            here, there = Path("/proc/thread-self/ns/net"), Path(f"/proc/{other.pid}/ns/net")
            deadline = time.monotonic() + 10
            while there.readlink() == here.readlink():
                assert time.monotonic() < deadline, "the other machine's network was not made within ten seconds"
                time.sleep(0.01)
            inside = ("nsenter", "--target", str(other.pid), "--net")
            for command in (
                f"ip link add uplink type veth peer name client netns {other.pid}",
                "ip address add 10.8.0.11/24 dev uplink",
                "ip link set uplink up",
                f"{' '.join(inside)} ip address add 10.8.0.1/24 dev client",
                f"{' '.join(inside)} ip link set client up",
            ):
                subprocess.run(command.split(), check=True, timeout=10)
            yield other.pid
        finally:
            other.kill()


@contextmanager
def echoing() -> Iterator[None]:
    """Something answers on every port of the table."""
    with ExitStack() as stack:
        for port in TCP:
            listener = stack.enter_context(socket.create_server(("", port)))
            threading.Thread(target=_answer_tcp, args=(listener,), daemon=True).start()
        for port in UDP:
            server = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            server.bind(("", port))
            threading.Thread(target=_answer_udp, args=(server,), daemon=True).start()
        yield


def _answer_tcp(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"hello")


def _answer_udp(server: socket.socket) -> None:
    while True:
        try:
            server.sendto(*server.recvfrom(5))
        except OSError:
            return


def load(root: Path, rules: str) -> None:
    done = subprocess.run(
        ["chroot", root, "nft", "--file", "-"], input=rules, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def rules_with(http3: bool, management: str, vrrp_peers: tuple[str, ...] = ()) -> str:
    guest = {"name": "gw1", "address": "10.8.0.11/24", "mac": "52:54:00:00:00:11", "managementNetworks": [management]}
    guest["vrrpPeers"] = list(vrrp_peers)
    gateway = {
        "serverNames": ["api.example.test"],
        "upstreams": {"api": {"servers": ["10.8.0.2:8080"]}},
        "routes": [{"path": "/", "upstream": "api"}],
        "tls": {"http3": http3},
    }
    documents = seed_documents(
        GuestSettings.model_validate(guest), GatewaySettings.model_validate(gateway), PLATFORMS["debian-13"]
    )
    return documents.files["/etc/nftables.conf"].content


@pytest.mark.parametrize(
    ("http3", "management", "answered"),
    [
        (False, "10.9.0.0/24", ["tcp 80", "tcp 443"]),
        (True, "10.9.0.0/24", ["tcp 80", "tcp 443", "udp 443"]),
        (False, "10.8.0.0/24", ["tcp 22", "tcp 80", "tcp 443"]),
    ],
    ids=["as little as possible", "udp for http3 only", "ssh for management networks only"],
)
def test_another_machine_reaches_only_what_is_allowed_by_name(
    http3: bool, management: str, answered: list[str], roots: dict[str, Path]
) -> None:
    ports = json.dumps([*(("tcp", port) for port in TCP), *(("udp", port) for port in UDP)])
    with network_of_its_own(), cable() as other, echoing():
        load(roots["trixie"], rules_with(http3, management))
        probe = ["nsenter", "--target", str(other), "--net", sys.executable, "-c", PROBE, ports]
        assert json.loads(subprocess.check_output(probe, timeout=30)) == answered


# From each of its addresses in turn, as keepalived sends them: protocol 112, to a multicast group.
ADVERTISE = """
import socket, sys
for address in sys.argv[1:]:
    with socket.socket(type=socket.SOCK_RAW, proto=112) as sender:
        sender.bind((address, 0))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        sender.sendto(b"advertisement", ("224.0.0.18", 0))
"""


def test_vrrp_is_let_in_from_the_declared_peers_only(roots: dict[str, Path]) -> None:
    with network_of_its_own(), cable() as other, socket.socket(type=socket.SOCK_RAW, proto=112) as receiver:
        receiver.settimeout(20)
        group = socket.inet_aton("224.0.0.18") + socket.inet_aton("10.8.0.11")
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        inside = ["nsenter", "--target", str(other), "--net"]
        subprocess.run([*inside, "ip", "address", "add", "10.8.0.7/24", "dev", "client"], check=True, timeout=10)
        load(roots["trixie"], rules_with(False, "10.9.0.0/24", vrrp_peers=("10.8.0.1",)))
        # The stranger's come first: the first that arrives is the peer's.
        subprocess.run([*inside, sys.executable, "-c", ADVERTISE, "10.8.0.7", "10.8.0.1"], check=True, timeout=30)
        assert receiver.recvfrom(4096)[1][0] == "10.8.0.1"


def test_without_rules_everything_would_answer() -> None:
    """What the table above is worth."""
    ports = json.dumps([*(("tcp", port) for port in TCP), *(("udp", port) for port in UDP)])
    with network_of_its_own(), cable() as other, echoing():
        probe = ["nsenter", "--target", str(other), "--net", sys.executable, "-c", PROBE, ports]
        assert len(json.loads(subprocess.check_output(probe, timeout=30))) == len(TCP) + len(UDP)


@pytest.mark.parametrize(
    ("case", "platform"), [(case, name) for case in CASES for name in platforms_of(case) if name.startswith("debian")]
)
def test_the_distributions_own_nft_accepts_the_rules(case: str, platform: str, roots: dict[str, Path]) -> None:
    with network_of_its_own():
        load(roots[PLATFORMS[platform].suite], rendered_case(case, platform).files["/etc/nftables.conf"].content)
