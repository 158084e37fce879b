"""What nginx has logged about itself fails a check; what clients cause, and what was there before, does not."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from nordgate.errors import AgentError
from nordgate.hypervisor.agent import GuestAgent
from smoke import alerts
from smoke.verdict import Line, Verdict

DIED = "[alert] 812#812: worker process 815 exited on signal 11"
FULL = '[crit] 815#815: *7 open() "/srv/nordgate/log/access.json" failed (28: No space left on device)'
SCANNED = "[crit] 815#815: *9 SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key share) while SSL"
SLOW = "[error] 815#815: *9 upstream timed out (110: Connection timed out) while reading response header"


class Guest:
    """Runs here what a guest is told to, on a log of its own."""

    domain = "test-gw1"

    def __init__(self, log: Path) -> None:
        self.log = log

    def write(self, message: str, seconds_ago: float = 0, rotated: bool = False) -> None:
        stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(time.time() - seconds_ago))
        with self.log.with_name("error.log.1" if rotated else "error.log").open("a") as file:
            file.write(f"{stamp} {message}\n")

    def exec(self, words: Sequence[str]) -> Any:
        command = [*words[:4], str(self.log), *words[5:]]
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
        return type("Done", (), {"stdout": done.stdout, "stderr": done.stderr, "exit_code": done.returncode})


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path / "error.log")


def proved(guest: Guest, seconds: float = 20) -> Line:
    return alerts.prove(cast(GuestAgent, guest), seconds)


def test_a_worker_that_died_during_the_check_is_named(guest: Guest) -> None:
    guest.write(SLOW)
    guest.write(DIED)
    line = proved(guest)
    assert (line.verdict, line.found) == (Verdict.FAIL, "worker process 815 exited on signal 11")


def test_a_log_that_was_rotated_meanwhile_is_read_too(guest: Guest) -> None:
    guest.write(FULL, 2, rotated=True)
    guest.write(DIED)
    guest.write(DIED)
    found = proved(guest).found
    assert found.startswith("open() ")
    assert found.endswith("(28: No space left on device); worker process 815 exited on signal 11")


@pytest.mark.parametrize("message", [SLOW, SCANNED])
def test_what_upstreams_and_clients_cause_is_no_alert(guest: Guest, message: str) -> None:
    guest.write(message)
    assert proved(guest).verdict is Verdict.PASS


def test_what_was_there_before_the_check_is_not_held_against_it(guest: Guest) -> None:
    guest.write(DIED, seconds_ago=60)
    assert proved(guest).verdict is Verdict.PASS


def test_a_log_without_a_line_passes_and_one_that_cannot_be_asked_for_does_not(guest: Guest) -> None:
    assert proved(guest).found == "none"
    guest.exec = lambda _: type("Done", (), {"stdout": b"", "stderr": b"no bash", "exit_code": 127})  # type: ignore[method-assign,assignment]
    with pytest.raises(AgentError, match=r"error log in the guest test-gw1 could not be read: no bash\.$"):
        proved(guest)
