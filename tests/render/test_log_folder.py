"""The folder of the logs: what runs as a worker puts nothing there that root would follow, on a volume old or new."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudinit import PATHS, PLATFORMS, GatewaySettings, seed_documents
from tests.render.backends import started
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import GUEST, NAME, Served, network_of_its_own
from tests.render.sites import log_folder_script, make_log_folder

WWW_DATA, ADM = 33, 4
GATEWAY = GatewaySettings.model_validate(
    {
        "serverNames": [NAME],
        "upstreams": {"api": {"servers": ["127.0.0.2:9001"]}},
        "routes": [{"path": "/v1/", "upstream": "api"}],
        "log": {"flushSeconds": 600, "audit": True},
        "concurrentClients": 500,
    }
)
VICTIM = "/etc/nordgate/victim"
# What a worker might do to a log, as shell commands.
ATTACKS = (
    "rm -f {log}",
    "mv {log} {log}.moved",
    f"ln -s {VICTIM} {{log}}.new",
    "ln {log} {log}.new",
    "mkfifo {log}.new",
    "mkdir {log}.new",
    f"ls {PATHS.log}",
)


@pytest.fixture(params=DEBIANS)
def logging(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    documents = seed_documents(GUEST, GATEWAY, PLATFORMS[request.param])
    with network_of_its_own(), started() as backends, serve(documents, request.param, backends) as gateway:
        victim = inside(gateway, VICTIM)
        victim.write_text("root's\n")
        victim.chmod(0o600)
        yield gateway


def inside(gateway: Served, path: str) -> Path:
    return gateway.site.folder / path.lstrip("/")


def as_worker(gateway: Served, command: str) -> subprocess.CompletedProcess[str]:
    """A shell command by the workers' account, among nginx's own processes and mounts."""
    apart = ["nsenter", "--target", str(gateway.process), "--mount", "--pid"]
    account = ["chroot", f"--userspec={WWW_DATA}:{WWW_DATA}", f"--groups={WWW_DATA}", str(gateway.site.root)]
    words = [*apart, *account, "sh", "-ec", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=30)


def reopen(gateway: Served) -> None:
    """What the rotation and the check do; ended when the workers have new files."""
    access = inside(gateway, f"{PATHS.log}/access.json")
    access.rename(access.with_name("access.json.1"))
    client = http.client.HTTPSConnection("127.0.0.1", context=gateway.context(), timeout=10)
    client.sock = gateway.tls(gateway.context())
    client.request("GET", "/buffered", headers={"Host": NAME})
    client.getresponse().read()
    os.kill(gateway.process, signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while "/buffered" not in access.with_name("access.json.1").read_text() + _text(access):
        assert time.monotonic() < deadline, "the workers did not reopen their logs"
        time.sleep(0.05)
    client.request("GET", "/afterwards", headers={"Host": NAME})
    client.getresponse().read()
    client.close()
    while "/afterwards" not in _text(access.with_name("audit.json")):
        assert time.monotonic() < deadline, "the audit log is not written"
        time.sleep(0.05)


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def untouched(gateway: Served) -> bool:
    victim = inside(gateway, VICTIM)
    return (victim.stat().st_uid, victim.read_text()) == (0, "root's\n")


def test_a_worker_puts_nothing_in_place_of_a_log(logging: Served) -> None:
    for attack in ATTACKS:
        done = as_worker(logging, attack.format(log=f"{PATHS.log}/error.log"))
        assert done.returncode != 0, attack
        assert "Permission denied" in done.stderr or "Operation not permitted" in done.stderr, done
    reopen(logging)
    assert untouched(logging)


def test_workers_reopen_their_logs_where_they_may_only_pass(logging: Served) -> None:
    """What they log after a reopening stands in the new file, which is theirs alone to write."""
    reopen(logging)
    for name in ("access.json", "audit.json", "error.log"):
        assert inside(logging, f"{PATHS.log}/{name}").stat().st_uid == WWW_DATA
    alerts = inside(logging, f"{PATHS.log}/error.log").read_text()
    assert "denied" not in alerts


def test_on_a_volume_made_before_root_would_follow_the_link(logging: Served) -> None:
    """The attack itself, on the layout that it needs: what the other tests are measured by."""
    folder = inside(logging, PATHS.log)
    os.chown(folder, WWW_DATA, ADM)
    folder.chmod(0o750)
    log = f"{PATHS.log}/error.log"
    assert as_worker(logging, f"mv {log} {log}.moved && ln -s {VICTIM} {log}").returncode == 0
    reopen(logging)
    assert inside(logging, VICTIM).stat().st_uid == WWW_DATA
    assert as_worker(logging, f"cat {VICTIM}").stdout == "root's\n"


def test_a_volume_made_before_is_put_right_before_nginx_starts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    log = data / "log"
    log.mkdir(parents=True)
    os.chown(log, WWW_DATA, ADM)
    log.chmod(0o750)
    victim = tmp_path / "victim"
    victim.write_text("root's\n")
    victim.chmod(0o600)
    (log / "error.log").symlink_to(victim)
    (log / "audit.json").hardlink_to(victim)
    os.mkfifo(log / "access.json.1")
    (log / "access.json.2" / "deep").mkdir(parents=True)
    (log / "-r name with\nall sorts").symlink_to(tmp_path)
    for name in ("access.json", "access.json.3", ".rotated"):
        (log / name).write_text(f"kept in {name}\n")
        os.chown(log / name, WWW_DATA, WWW_DATA)
        (log / name).chmod(0o666)
    said = make_log_folder(replace(PATHS, data=str(data), log=str(log)))
    assert (log.stat().st_uid, log.stat().st_gid, oct(log.stat().st_mode)) == (0, ADM, "0o42751")
    assert sorted(path.name for path in log.iterdir()) == ["access.json", "access.json.3"]
    for path in log.iterdir():
        assert path.read_text() == f"kept in {path.name}\n"
        assert (path.stat().st_uid, path.stat().st_gid, oct(path.stat().st_mode)) == (WWW_DATA, ADM, "0o100640")
    assert (victim.stat().st_uid, oct(victim.stat().st_mode), victim.read_text()) == (0, "0o100600", "root's\n")
    (aside,) = data.glob("set-aside.*")
    assert oct(aside.stat().st_mode) == "0o40700"
    assert len(list(aside.iterdir())) == 5
    assert f"no logs, and set aside in {aside}: " in said
    assert "error.log" in said


def test_a_volume_that_is_as_it_should_be_stays_as_it_is(tmp_path: Path) -> None:
    paths = replace(PATHS, data=str(tmp_path), log=str(tmp_path / "log"))
    make_log_folder(paths)
    (tmp_path / "log" / "access.json").write_text("kept\n")
    assert make_log_folder(paths) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log" / "access.json").read_text() == "kept\n"


@pytest.mark.long
def test_a_thousand_boots_end_well(tmp_path: Path) -> None:
    """Where `wait` is asked for a process that has ended, bash says 255 of one in some hundreds."""
    paths = replace(PATHS, data=str(tmp_path), log=str(tmp_path / "log"))
    each = f"for _ in {{1..1000}}; do bash -c {shlex.quote(log_folder_script(paths))} || exit; done"
    done = subprocess.run(["bash", "-c", each], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_folder_that_cannot_be_looked_through_is_told(tmp_path: Path) -> None:
    paths = replace(PATHS, data=str(tmp_path), log=str(tmp_path / "log"))
    script = f"find() {{ return 1; }}\n{log_folder_script(paths)}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == f"{paths.log} cannot be looked through\n"


def test_a_log_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        make_log_folder(replace(PATHS, data=str(tmp_path), log=str(tmp_path / "log")))
    assert f"{tmp_path}/log is a link" in refused.value.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []
