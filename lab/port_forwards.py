"""The ways into a lab: ports of this machine's 127.0.0.1, and the process that leads what comes there inside.

It stands in the lab's network and PID namespaces, so the lab's end is its end; the sockets are of the machine's
network. When the stack file asks for other ways it makes room for another.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lab.layout import Forward, Lab
from lab.processes import end, noted, record, recorded, start_child
from nordgate.errors import NordgateError

_CHECKOUT = Path(__file__).parents[1]
_START_BOUND = 5.0
"""Seconds."""


def check(forwards: Sequence[Forward]) -> None:
    """Raises NordgateError when a port is somebody else's. For a lab that does not run."""
    with ExitStack() as opened:
        for forward in forwards:
            opened.enter_context(_listen(forward))


def keep(lab: Lab, forwards: Sequence[Forward]) -> None:
    """Have exactly these ways into a lab that runs; harmless twice. Raises NordgateError for a taken port."""
    wanted = "".join(f"{forward.port} {forward.address}:{forward.address_port}\n" for forward in forwards)
    running = recorded(lab.entries_pid_file)
    if running and noted(lab.entries_file) == wanted.strip():
        return
    if running:
        end(noted(lab.entries_pid_file))
    if not forwards:
        return
    with ExitStack() as opened:
        sockets = [opened.enter_context(_listen(forward)) for forward in forwards]
        _start(lab, forwards, sockets)
    lab.entries_file.write_text(wanted)


def _start(lab: Lab, forwards: Sequence[Forward], sockets: Sequence[socket.socket]) -> None:
    first = recorded(lab.pid_file)
    words = [
        f"{listening.fileno()}={forward.address}:{forward.address_port}"
        for listening, forward in zip(sockets, forwards, strict=True)
    ]
    wrapper = ["nsenter", "--target", str(first), "--net", "--pid", "--", sys.executable, "-m", "lab.forward"]
    pid = start_child(
        [*wrapper, *words], _CHECKOUT, lab.log, _START_BOUND, [listening.fileno() for listening in sockets]
    )
    if pid is None:
        raise NordgateError(f"the ways into lab {lab.name} did not open; see the end of its log, {lab.log}.")
    record(lab.entries_pid_file, pid)


def _listen(forward: Forward) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", forward.port))
    except OSError as error:
        raise NordgateError(
            f"127.0.0.1:{forward.port}, which leads to {forward.address}:{forward.address_port} in the lab, is taken: "
            f"{error.strerror}. End what listens there, or change the gateway's `entry` in the stack file."
        ) from None
    listening.listen(1024)
    return listening
