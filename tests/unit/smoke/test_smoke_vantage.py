"""The generator runs where it is told to, with nothing but python3, and leaves nothing there."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nordgate.errors import TargetError
from nordgate.hypervisor import connection
from nordgate.hypervisor.connection import SILENT_SECONDS
from smoke import vantage
from smoke.engine.job import HTTP1, Endpoint, Job, Tally
from smoke.load import LOCAL, Vantage
from smoke.vantage import archive, measure
from tests.sshd import ssh_server

NAME = "api.test.localhost"
ELSEWHERE = Vantage(name="host1", reach="ssh://deploy@host1:2222")


def job(server: Any, certificate: Path, **changes: Any) -> Job:
    endpoint = {"port": server.port, "name": NAME, "path": "/", "authorities": certificate.read_text()} | changes
    return Job((Endpoint("127.0.0.1", **endpoint),), 50, 0.5, 2, 0, 4, 8, 5)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that runs its command here, in an empty folder, with a python3 that knows no packages but its own."""
    program, home = tmp_path / "bin" / "ssh", tmp_path / "home"
    program.parent.mkdir()
    home.mkdir()
    keep_words = f'printf "%s\\n" "$@" > {tmp_path}/words; for last; do :; done'
    program.write_text(f'#!/bin/sh\n{keep_words}\ncd {home}; TMPDIR={home} sh -c "$last"\n')
    python = program.with_name("python3")
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    for file in (program, python):
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return tmp_path


def test_generator_over_ssh_needs_nothing_there_and_leaves_nothing(server: Any, certificate: Path, ssh: Path) -> None:
    found = [told for told in measure(ELSEWHERE, job(server, certificate)) if isinstance(told, Tally)]
    assert [sum(tally.latencies.values()) for tally in found] == [25, 25]
    words = (ssh / "words").read_text().splitlines()
    assert words[words.index("-p") : words.index("-p") + 4] == ["-p", "2222", "--", "deploy@host1"]
    assert list((ssh / "home").iterdir()) == []


def test_what_goes_over_ssh_is_plain_python() -> None:
    names = zipfile.ZipFile(io.BytesIO(archive())).namelist()
    assert {"smoke/engine/__main__.py", "h11/__init__.py", "h2/connection.py"} <= set(names)
    assert [name for name in names if not name.endswith(".py")] == []


@pytest.mark.usefixtures("ssh")
def test_problem_from_elsewhere_says_where(server: Any, certificate: Path) -> None:
    with pytest.raises(TargetError, match=r"^from host1: 127.0.0.1:1 refuses the connection: nothing listens there\.$"):
        list(measure(ELSEWHERE, job(server, certificate, port=1)))


def test_vantage_that_cannot_be_reached_is_one_sentence(server: Any, certificate: Path, ssh: Path) -> None:
    (ssh / "bin" / "ssh").write_text(
        "#!/bin/sh\necho 'ssh: connect to host host1 port 22: No route to host' >&2; exit 255\n"
    )
    with pytest.raises(TargetError) as caught:
        list(measure(ELSEWHERE, job(server, certificate)))
    reach = "host1 (ssh://deploy@host1:2222)"
    assert (
        str(caught.value) == f"the load generator at {reach} ended: host1 cannot be reached by SSH: "
        "connect to host host1 port 22: No route to host."
    )


def test_generator_ends_with_whoever_asked(server: Any, certificate: Path) -> None:
    """As over SSH, where no signal arrives: its input ends, and it sends no more."""
    long = Job(job(server, certificate).endpoints, 50, 60, 1, 0, 4, 8, 5)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-m", "smoke.engine"], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(long.as_json() + "\n")
        process.stdin.flush()
        end = time.monotonic() + 20
        while server.requests < 5:
            assert time.monotonic() < end, "the load never began"
            time.sleep(0.02)
        process.stdin.close()
        process.stdin = None
        assert process.wait(10) == 0


def test_more_connections_than_files_are_fewer_and_said_to_be(server: Any, certificate: Path) -> None:
    wanted = Job(job(server, certificate, protocol=HTTP1).endpoints, 50, 0.2, 1, 0, 400, 1, 5)
    command = ["sh", "-c", f'ulimit -n 128; exec "{sys.executable}" -m smoke.engine']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(wanted.as_json() + "\n")
        process.stdin.flush()
        note, tally = (json.loads(line) for line in process.stdout)
    assert note["note"] == "64 connections, not 400: the hard limit of open files (ulimit -Hn) ends there"
    assert tally["tally"]["errors"] == {}


@pytest.mark.parametrize("asked", [True, False])
def test_generator_runs_in_real_time_only_when_that_is_asked_for(server: Any, certificate: Path, asked: bool) -> None:
    started = measure(LOCAL, replace(job(server, certificate), real_time=asked))
    next(started)
    children = [int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()]
    in_real_time = os.SCHED_FIFO in [os.sched_getscheduler(child) for child in children]
    assert in_real_time is (asked and os.geteuid() == 0)
    list(started)


def test_generator_that_may_not_run_in_real_time_says_so_and_measures(server: Any, certificate: Path) -> None:
    wanted = replace(job(server, certificate), real_time=True)
    command = ["setpriv", "--bounding-set=-sys_nice", sys.executable, "-m", "smoke.engine"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(wanted.as_json() + "\n")
        process.stdin.flush()
        note, *tallies = (json.loads(line) for line in process.stdout)
    assert "needs root or CAP_SYS_NICE" in note["note"]
    assert [tally["tally"]["errors"] for tally in tallies] == [{}, {}]


def test_generator_in_a_lab_finds_itself_from_any_folder(
    server: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever enters a lab stands in its root folder: here by a `lab` that only goes there."""
    package = tmp_path / "lab"
    package.mkdir(parents=True)
    entering = "import os, sys\nos.chdir('/')\nos.environ.pop('PYTHONPATH')\nos.execvp(sys.argv[3], sys.argv[3:])\n"
    (package / "__main__.py").write_text(entering)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lab = Vantage(name="host1", reach="lab:oslo")
    assert [told.sent for told in measure(lab, job(server, certificate)) if isinstance(told, Tally)] == [25, 25]


# Nothing is waited for without end.

SOON = tuple(
    re.sub("^(ServerAliveInterval|ServerAliveCountMax|ConnectTimeout)=.*", r"\1=1", option)
    for option in connection._ALWAYS
)
LONG: dict[str, Any] = {
    "rate": 20,
    "round_seconds": 1,
    "rounds": 60,
    "warm_up_seconds": 0,
    "connections": 2,
    "timeout_seconds": 2,
}


def long_job(server: Any, certificate: Path) -> Job:
    return Job(job(server, certificate).endpoints, streams=8, **LONG)


def test_ssh_server_that_goes_silent_in_the_middle_ends_the_measurement(
    server: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_ALWAYS", SOON)
    with ssh_server(tmp_path) as host:
        there = Vantage(name="host1", reach=f"ssh://root@127.0.0.1:{host.port}?{host.query()}")
        told = measure(there, long_job(server, certificate))
        assert isinstance(next(told), Tally)
        host.freeze()
        started = time.monotonic()
        with pytest.raises(TargetError, match=r"host1 \(ssh://.*\) ended: 127.0.0.1 has gone silent: its SSH server"):
            list(told)
        assert time.monotonic() - started < SILENT_SECONDS


def test_ssh_server_that_is_silent_from_the_beginning_is_not_waited_for(
    server: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its port takes the connection, and that is all."""
    monkeypatch.setattr(connection, "_ALWAYS", SOON)
    with ssh_server(tmp_path) as host:
        host.freeze()
        there = Vantage(name="host1", reach=f"ssh://root@127.0.0.1:{host.port}?{host.query()}")
        started = time.monotonic()
        with pytest.raises(TargetError, match=r"host1 .* ended: 127.0.0.1 cannot be reached by SSH: .*[Tt]imed out"):
            list(measure(there, long_job(server, certificate)))
        assert time.monotonic() - started < SILENT_SECONDS


def test_generator_that_stops_behind_a_living_ssh_server_is_given_up(
    server: Any, certificate: Path, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vantage, "_START_SECONDS", 1.0)
    monkeypatch.setattr(vantage, "CONNECT_TIMEOUT", 0.0)
    told = measure(ELSEWHERE, replace(job(server, certificate), round_seconds=0.1, timeout_seconds=0.1))
    (ssh / "bin" / "python3").write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(TargetError, match=r"host1 \(ssh://deploy@host1:2222\) told nothing for 2 s, in which"):
        list(told)


def test_what_a_program_complains_of_at_length_blocks_nothing(ssh: Path, server: Any, certificate: Path) -> None:
    """More than a pipe takes, before, between and after what it tells."""
    noise = "head -c 300000 /dev/zero | tr '\\0' '\\n' >&2"
    fake = ["#!/bin/sh", noise, "head -c 1000 > /dev/null", """echo '{"note": "still here"}'""", noise]
    (ssh / "bin" / "ssh").write_text("\n".join([*fake, "echo last >&2; exit 3\n"]))
    told = measure(ELSEWHERE, job(server, certificate))
    assert next(told) == "still here"
    with pytest.raises(TargetError, match="ended: last"):
        list(told)


def test_what_a_login_shell_prints_is_no_traceback(ssh: Path, server: Any, certificate: Path) -> None:
    (ssh / "bin" / "ssh").write_text("#!/bin/sh\necho Welcome to host1\n")
    with pytest.raises(TargetError, match=r"begins with 'Welcome to host1': a shell's start-up file there"):
        list(measure(ELSEWHERE, job(server, certificate)))
