"""A link between two labs: a router's two interfaces, one in each lab, and the distance between them.

A process of its own, started by `lab.links`. Each lab gets a TUN device that leads to the other's network.
Packets pass from one device to the other as they are, half a round trip later; no connection ends in between. It ends
when one of the labs does, and its devices and routes go with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from lab.relay import relay

READY = "linked"
"""What it says when packets pass."""

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_RTMGRP_LINK = 1
_SETTLE = 0.2
"""Seconds after a change of interfaces: libvirt makes the bridge first and then the rules for it."""
_BOUND = 10
"""Seconds for one command."""


@dataclass(frozen=True)
class Side:
    """One of the two labs: a descriptor of its first process (pidfd_open(2)), and its guests' network."""

    process: int
    network: IPv4Network

    @property
    def address(self) -> str:
        """The lab's own, in its guests' network: what it takes on the bridge, when there is one."""
        return str(self.network[1])


def _enter(side: Side) -> None:
    """Move this thread into the lab's network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(side.process, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _interface(here: Side, there: Side) -> int:
    """Make the interface in `here` that leads to `there`. It lives as long as the returned descriptor of its packets.

    The thread is in the lab's namespace afterwards.
    """
    _enter(here)
    packets = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", b"link%d", _IFF_TUN | _IFF_NO_PI)
    name = fcntl.ioctl(packets, _TUNSETIFF, request)[:16].rstrip(b"\0").decode()
    of_ipv6 = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
    if of_ipv6.exists():
        of_ipv6.write_text("1")
    # The lab has a guests' network of its own only while it has guests, and its address must be there without.
    _run("ip", "address", "add", f"{here.address}/32", "dev", name)
    _run("ip", "link", "set", name, "up")
    _run("ip", "route", "replace", str(there.network), "dev", name, "src", here.address)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    return packets


def _let_through(here: Side, there: Side) -> None:
    """Put the link's rules before libvirt's, which refuse whatever else would enter or leave a closed network."""
    rules = (
        f"-s {there.network} -d {here.network} -i link+ -j ACCEPT",
        f"-s {here.network} -d {there.network} -o link+ -j ACCEPT",
    )
    standing = _run("iptables", "-w", "-S", "FORWARD").splitlines()[1:]
    foremost = list(itertools.takewhile(lambda line: " link+ " in line, standing))
    for rule in rules:
        if f"-A FORWARD {rule}" in foremost:
            continue
        if f"-A FORWARD {rule}" in standing:
            _run("iptables", "-w", "-D", "FORWARD", *rule.split())
        _run("iptables", "-w", "-I", "FORWARD", *rule.split())


def _keep_open(here: Side, there: Side) -> None:
    """Hold the rules in their place, for ever: libvirt puts its own before them when its first network starts."""
    _enter(here)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as changes:
        changes.bind((0, _RTMGRP_LINK))
        while True:
            try:
                _let_through(here, there)
            except subprocess.SubprocessError as problem:  # a busy machine, or libvirt was quicker
                print(f"asked again: {problem}", file=sys.stderr, flush=True)
                time.sleep(1)
                continue
            with contextlib.suppress(OSError):  # too many at once are lost, and are a change all the same
                changes.recv(1 << 16)
            time.sleep(_SETTLE)
            with contextlib.suppress(OSError):
                while changes.recv(1 << 16, socket.MSG_DONTWAIT):
                    pass


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=_BOUND).stdout


def _go_first() -> None:
    """Run this thread, and no child of it, ahead of the machine's other work: emulated guests never rest."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def main(round_trip: float, one: Side, other: Side) -> None:
    """Be the link until one of the labs ends."""
    packets = _interface(one, other), _interface(other, one)
    for here, there in ((one, other), (other, one)):
        _enter(here)
        _let_through(here, there)
        threading.Thread(target=_keep_open, args=(here, there), daemon=True).start()
    print(READY, flush=True)
    _go_first()
    relay(*packets, round_trip / 2, (one.process, other.process))


def _side(text: str) -> Side:
    descriptor, _, network = text.partition("=")
    return Side(int(descriptor), IPv4Network(network))


if __name__ == "__main__":
    main(float(sys.argv[1]), _side(sys.argv[2]), _side(sys.argv[3]))
