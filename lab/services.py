"""The services inside a lab: whether they answer, and how they are ended and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from lab import dns, host
from lab.inside import enter, first_process
from lab.layout import BACKEND_PORTS, MIRROR_PORT, Lab
from lab.processes import start_child
from nordgate.console import phase
from nordgate.errors import NordgateError

START_TIMEOUT = 30.0
"""Seconds within which a lab and its services are there."""

RESTART_TIMEOUT = 5.0
"""Seconds within which a service that has ended is there again."""

COMMAND_TIMEOUT = 20.0
"""Seconds for one answer of a program."""

_CHECKOUT = Path(__file__).parents[1]

_PORTS = {
    **{f"backend {number}": port for number, port in enumerate(BACKEND_PORTS, start=1)},
    "dns": dns.PORT,
    "package mirror": MIRROR_PORT,
    "chronyd": 123,
}
"""Where each service that `lab.host` starts listens."""


def silent_services(lab: Lab) -> list[str]:
    """The names of the lab's services that do not answer."""
    try:
        virsh = subprocess.run(
            ["virsh", "-c", lab.uri, "version"], capture_output=True, check=False, timeout=COMMAND_TIMEOUT
        )
        names = ["libvirtd"] if virsh.returncode else []
    except subprocess.TimeoutExpired:
        names = ["libvirtd"]
    look = [*enter(lab), "ss", "-Hltun"]
    try:
        listening = subprocess.run(look, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT).stdout
    except subprocess.TimeoutExpired:
        listening = ""
    return [*names, *(service for service, port in _PORTS.items() if f":{port} " not in listening)]


def restart_services(lab: Lab, silent: Sequence[str], chronyd: str) -> bool:
    """Start these services of a lab again; its guests run on. Whether they answer now.

    Raises NordgateError where they do not and the lab has guests that run: to start all of it again would end them.
    """
    with phase(f"Starting {', '.join(silent)} of lab {lab.name} again"):
        commands = host.services_of(lab, chronyd)
        for service in silent:
            if service == "libvirtd":
                # One that hangs; the lab's first process starts it again.
                _kill_children(lab, "libvirtd")
            else:
                # From this checkout: the one that the lab was started from may be gone.
                # Whoever enters a mount namespace stands in its root.
                inside = ["sh", "-c", 'cd "$0" && exec "$@"', str(_CHECKOUT), *commands[service]]
                start_child([*enter(lab), *inside], _CHECKOUT, lab.log, RESTART_TIMEOUT)
        try:
            wait_until(lambda: not silent_services(lab), f"{', '.join(silent)} of lab {lab.name} to answer", lab)
        except NordgateError as problem:
            if not _children(lab, "qemu-system"):
                return False
            raise NordgateError(
                f"{problem}\nThe lab is left as it is, for its guests run: mend what its log says, or end it with them "
                f"(make lab-down STACK={lab.name}-test FORCE=1)."
            ) from None
    return True


def _children(lab: Lab, name: str) -> list[int]:
    """The processes that the lab's first one looks after and whose name begins like this."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        first = first_process(lab)
        for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/comm").read_text().startswith(name[:15]):
                    found.append(int(pid))
    return found


def _kill_children(lab: Lab, name: str) -> None:
    for pid in _children(lab, name):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def add_upstream_addresses(lab: Lab, addresses: Sequence[str]) -> None:
    """Let the lab's own machine answer for these addresses, which stand for upstream servers."""
    # On lo: the kernel then answers for them on the guests' network, whenever that comes and goes.
    for address in addresses:
        subprocess.run(
            [*enter(lab), "ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True, timeout=COMMAND_TIMEOUT
        )


def wait_until(condition: Callable[[], bool], what: str, lab: Lab) -> None:
    """Wait for a condition of the lab. Raises NordgateError with the end of its log after START_TIMEOUT seconds."""
    deadline = time.monotonic() + START_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise NordgateError(f"waited {START_TIMEOUT:.0f} s for {what}; its log, {lab.log}, ends:\n{tail(lab.log)}")
        time.sleep(0.1)


def end(lab: Lab) -> None:
    """Kill the lab's first process; the kernel then ends all others of its PID namespace before it is gone."""
    pid = first_process(lab)
    if pid:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: first_process(lab) is None, f"lab {lab.name} to end", lab)
    lab.pid_file.unlink(missing_ok=True)


def tail(path: Path) -> str:
    """The last ten lines of a log."""
    return "\n".join(path.read_text().splitlines()[-10:]) if path.exists() else "(empty)"
