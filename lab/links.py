"""What can be done with links from outside: make one, look for them, end them.

Two labs have one link at most. What is known of it lies in the folder of the lab whose name sorts first.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from lab import control
from lab.inside import first_process
from lab.layout import LABS, Lab
from lab.link import READY
from lab.processes import end, identity, living, noted
from nordgate.console import phase
from nordgate.errors import NordgateError
from toolchain.locks import hold

_CHECKOUT = Path(__file__).parents[1]
_PATIENCE = 10.0
"""Seconds that the other lab may take to start: both may have been asked for at the same time."""


@dataclass(frozen=True)
class End:
    """A lab, and the network of its guests."""

    lab: Lab
    network: IPv4Network


def join(one: End, other: End, round_trip: float) -> None:
    """Link two labs, with packets that take `round_trip` seconds there and back; harmless when it has been done.

    `one` runs. Raises NordgateError when `other` does not, or when the labs cannot be linked.
    """
    if one.lab == other.lab or one.network.overlaps(other.network):
        raise NordgateError(
            f"labs {one.lab.name} and {other.lab.name} cannot be linked: no packet would find its way between "
            f"{one.network} and {other.network}, which overlap."
        )
    _wait_for(other.lab, f"{one.lab.name}-test")
    one, other = sorted((one, other), key=lambda end: end.lab.name)
    file = one.lab.link_file(other.lab)
    file.parent.mkdir(exist_ok=True)
    with file.open("a+") as held:
        hold(held, f"another run that links lab {one.lab.name}", 3 * _PATIENCE)
        # The labs of now: a link with one that has ended since is about to end too.
        labs = [noted(end.lab.pid_file) for end in (one, other)]
        wanted = f"{round_trip:g} s, {one.network} {labs[0]}, {other.network} {labs[1]}"
        held.seek(0)
        process, _, made = held.read().partition(": ")
        if living(process) and made == wanted:
            return
        with phase(f"Link labs {one.lab.name} and {other.lab.name}, {round_trip * 1000:g} ms"):
            end(process)
            held.truncate(0)
            _start(one, other, round_trip, lambda pid: held.write(f"{identity(pid)}: {wanted}"))


def part(lab: Lab) -> None:
    """End every link of the lab. Harmless when there is none."""
    for file in _files(lab):
        control.check_root()
        end(noted(file).partition(": ")[0])
        file.unlink()


def linked(lab: Lab) -> list[str]:
    """The names of the labs that this one is linked with now."""
    files = [file for file in _files(lab) if living(noted(file).partition(": ")[0])]
    return sorted(name for file in files for name in (file.name, file.parent.parent.name) if name != lab.name)


def _files(lab: Lab) -> list[Path]:
    return sorted(file for file in LABS.glob("*/links/*") if lab.name in (file.name, file.parent.parent.name))


def _wait_for(lab: Lab, stack: str) -> None:
    """Until the lab that `stack` is measured from is there."""
    if first_process(lab):
        return
    with phase(f"Wait for lab {lab.name}"):
        deadline = time.monotonic() + _PATIENCE
        while not first_process(lab):
            if time.monotonic() > deadline:
                raise NordgateError(
                    f"lab {lab.name} is not running, and {stack} is measured from there: "
                    f'run "make lab-up STACK={lab.name}-test" first.'
                )
            time.sleep(0.2)


def _start(one: End, other: End, round_trip: float, begun: Callable[[int], object]) -> None:
    """Start the link's process, tell `begun` its PID, and wait until packets pass."""
    log = one.lab.root / "log" / f"link-{other.lab.name}.log"
    with _process(one.lab) as first, _process(other.lab) as second, log.open("w") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "lab.link", str(round_trip),
                f"{first}={one.network}", f"{second}={other.network}",
            ],
            cwd=_CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, text=True,
            start_new_session=True, pass_fds=(first, second),
        )  # fmt: skip
    begun(process.pid)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    with process.stdout:
        told = select.select([process.stdout], [], [], _PATIENCE)[0] and process.stdout.readline().strip()
        if told != READY:
            raise NordgateError(
                f"labs {one.lab.name} and {other.lab.name} could not be linked; {log} ends: "
                f"{(log.read_text().strip().splitlines() or ['(empty)'])[-1]}"
            )


@contextlib.contextmanager
def _process(lab: Lab) -> Iterator[int]:
    """A descriptor of the lab's first process."""
    pid = first_process(lab)
    descriptor = os.pidfd_open(pid) if pid else None
    # It may have ended in between, and the number be another's.
    if descriptor is None or first_process(lab) != pid:
        raise NordgateError(f'lab {lab.name} has just ended: run "make lab-up" again.')
    try:
        yield descriptor
    finally:
        os.close(descriptor)
