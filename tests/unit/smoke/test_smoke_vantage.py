"""The generator runs where it is told to, with nothing but python3, and leaves nothing there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from smoke.engine.job import HTTP1, Endpoint, Job, Tally
from smoke.load import LOCAL, Vantage
from smoke.problems import TargetProblem
from smoke.vantage import archive, measure

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
    with pytest.raises(
        TargetProblem, match=r"^from host1: 127.0.0.1:1 refuses the connection: nothing listens there\.$"
    ):
        list(measure(ELSEWHERE, job(server, certificate, port=1)))


def test_vantage_that_cannot_be_reached_is_one_sentence(server: Any, certificate: Path, ssh: Path) -> None:
    (ssh / "bin" / "ssh").write_text(
        "#!/bin/sh\necho 'ssh: connect to host host1 port 22: No route to host' >&2; exit 255\n"
    )
    with pytest.raises(TargetProblem) as caught:
        list(measure(ELSEWHERE, job(server, certificate)))
    reach = "host1 (ssh://deploy@host1:2222)"
    assert (
        str(caught.value)
        == f"the load generator at {reach} ended: ssh: connect to host host1 port 22: No route to host."
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


def test_local_generator_goes_first_where_that_is_allowed(server: Any, certificate: Path) -> None:
    started = measure(LOCAL, job(server, certificate))
    next(started)
    children = [int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()]
    expected = os.SCHED_FIFO if os.geteuid() == 0 else os.SCHED_OTHER
    assert expected in [os.sched_getscheduler(child) for child in children]
    list(started)


def test_generator_in_a_lab_finds_itself_from_any_folder(
    server: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever enters a lab stands in its root folder: here by a `tools.lab` that only goes there."""
    package = tmp_path / "tools" / "lab"
    package.mkdir(parents=True)
    entering = "import os, sys\nos.chdir('/')\nos.environ.pop('PYTHONPATH')\nos.execvp(sys.argv[3], sys.argv[3:])\n"
    (package / "__main__.py").write_text(entering)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lab = Vantage(name="host1", reach="lab:oslo")
    assert [told.sent for told in measure(lab, job(server, certificate)) if isinstance(told, Tally)] == [25, 25]
