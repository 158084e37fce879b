"""What a shell reads as root, and what virsh and ssh split into words themselves: every value stays one word."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest

from cloudinit import PLATFORMS, Check, substance
from cloudinit.system import boot_script
from nordgate.errors import HypervisorError
from nordgate.hypervisor.agent import Completed, GuestAgent
from nordgate.hypervisor.connection import read_uri
from nordgate.hypervisor.virsh import Hypervisor
from smoke.guest_proofs import prove
from smoke.plan import GuestPromises
from smoke.reading import read
from tests.unit.cloudinit.samples import gateway, guest

HOSTILE = 'a b\'; touch pwned; $(touch pwned) "`touch pwned`" * ;&|'


class Here:
    """A guest agent that runs commands on this machine, in a folder."""

    domain = "gw1"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exec(self, words: list[str], timeout: float) -> Completed:
        done = subprocess.run(words, cwd=self.folder, capture_output=True, timeout=timeout)
        return Completed(done.returncode, done.stdout, done.stderr)


def test_the_check_reads_files_of_any_name_and_runs_nothing_of_it(tmp_path: Path) -> None:
    first, second = tmp_path / HOSTILE, tmp_path / f"{HOSTILE}.conf"
    first.write_text("1048576\n")
    second.write_text("as rendered\n")
    checks = (
        Check("file", str(first), "==", "1048576", ""),
        Check("config-hash", f"http://127.0.0.1:1/{HOSTILE}", "==", "1", ""),
    )
    promises = GuestPromises(
        checks=checks,
        files={
            str(path): hashlib.sha256(substance(str(path), path.read_text()).encode()).hexdigest()
            for path in (first, second)
        },
        synchronised=False,
    )
    reading = read(cast(GuestAgent, Here(tmp_path)), promises)
    verdicts = {line.what: line.verdict.value for line in prove(reading, promises)}
    assert verdicts[str(first)] == "pass"
    assert verdicts["files on disk"] == "pass"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.name, second.name])


def test_the_boot_script_takes_every_setting_as_one_word() -> None:
    """Settings refuse such values; the script does not rely on it."""
    named = guest().model_copy(update={"data_serial": HOSTILE})
    serving = gateway().model_copy(update={"server_names": (HOSTILE,)})
    script = boot_script(named, serving, serving.kernel.declared((), PLATFORMS["debian-13"].kernel))
    assert f"\nserial={shlex.quote(HOSTILE)}\n" in script
    assert f" -subj {shlex.quote(f'/CN={HOSTILE}')} " in script
    assert script.count("touch pwned") == 4 * 3, "in the serial number, and thrice in what a certificate must have"
    assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).stderr == ""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What virsh was asked, as it came; it answers nothing."""
    found: list[str] = []

    def virsh(_self: Hypervisor, *words: str, **_bound: float) -> str:
        found.extend(words)
        raise HypervisorError("asked")

    monkeypatch.setattr(Hypervisor, "virsh", virsh)
    return found


def test_virsh_takes_a_domains_name_as_one_word(asked: list[str]) -> None:
    with pytest.raises(HypervisorError):
        Hypervisor("test:///default").look(HOSTILE)
    assert [word for word in shlex.split(asked[0], posix=True) if "touch" in word] == [f"{HOSTILE}", f"{HOSTILE}"]


def test_virsh_itself_reads_it_so() -> None:
    done = subprocess.run(
        ["virsh", "-q", "-c", "test:///default", f"echo {shlex.quote(HOSTILE)}; echo end"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.stdout.strip() == f"{HOSTILE}end"


@pytest.mark.parametrize("path", ["/home/a  b/known", "/srv/50%h/known", '/srv/a"b'])
def test_ssh_takes_the_file_of_known_hosts_as_one_word(path: str) -> None:
    options = read_uri(f"qemu+ssh://root@host1/system?knownhosts={quote(path)}").ssh_options
    done = subprocess.run(["ssh", "-G", "-F", "none", *options, "host1"], capture_output=True, text=True, check=True)
    assert f"userknownhostsfile {path}\n" in done.stdout
