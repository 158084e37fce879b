"""Edits and faults of a running stack: what the preview says, that it is so afterwards, and that nothing is left over.

The tests share one stack and run in this order. Data written before the first edit must be there after the last.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from tests.e2e.project import Ended, Project

LAB = "lifecycle"
DOMAIN = f"{LAB}-test-gw1"
POOL = Path(f"/var/lib/nordgate/lab/{LAB}/pool")
DATA = POOL / f"{DOMAIN}-data.raw"
GROWN = 256 << 20
"""More bytes than any of the edits declares: 256 MiB."""
ANCHOR = "  nordgate:budgetScale"
SECOND = "    gw2:\n      hypervisor: host1\n      address: 10.81.0.12\n"
"""Another gateway, as it stands before ANCHOR in the stack file."""
KEPT = "/srv/nordgate/kept"
LOG = "/srv/nordgate/log"
OLD_LOG_FOLDER = f"""
set -e; cd {LOG}
chown www-data:adm .; chmod 0750 .; rm error.log
stat -c %U:%a:%s /etc/nordgate/kernel >/srv/nordgate/before
exec setpriv --reuid=www-data --regid=www-data --clear-groups bash -ec '
    ln -s /etc/nordgate/kernel error.log; mkfifo access.json.1; mkdir audit.json; mv access.json access.json.2'
"""
"""A volume as it was made before, when the folder was the workers', with what a worker could put there."""
LOG_FOLDER_PUT_RIGHT = f"""
set -e; cd {LOG}
[ "$(stat -c %U:%G:%a .)" = root:adm:2751 ]
[ -f error.log ] && [ -s access.json.2 ]
[ "$(find . -mindepth 1 ! \\( -type f -links 1 \\))" = '' ]
[ "$(ls /srv/nordgate/set-aside.*)" = 'access.json.1
audit.json
error.log' ]
nginx -s reopen; sleep 1
[ "$(stat -c %U:%a:%s /etc/nordgate/kernel)" = "$(</srv/nordgate/before)" ]
"""
HYPERVISOR = Hypervisor(f"qemu:///system?socket=/var/lib/nordgate/lab/{LAB}/run/libvirt-sock")


@dataclass(frozen=True)
class Edit:
    """One row of edits.yaml."""

    name: str
    before: str
    after: str
    preview: list[str]
    guest: str = ""
    xml: str = ""
    keeps: bool = False


def _edits() -> Sequence[object]:
    found = []
    for name, row in yaml.safe_load(Path(__file__).with_name("edits.yaml").read_text()).items():
        often, keeps = row.pop("often", False), row.pop("keeps the guest", False)
        marks = [] if often else [pytest.mark.long]
        found.append(pytest.param(Edit(name, keeps=keeps, **row), id=name, marks=marks))
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("checkout"), LAB, 8751)
    up(project)
    assert holds(f"head -c 1M /dev/urandom | tee {KEPT} | sha256sum > /srv/nordgate/sum; sync")
    yield project
    project.make("destroy")
    project.lab_down()


def up(project: Project) -> Ended:
    """Plain Pulumi, where the lab and its supplies are there."""
    ended = project.make("up") if not POOL.exists() else project.pulumi("up", "--yes", "--skip-preview")
    assert ended.code == 0, ended.output
    return ended


def holds(command: str) -> bool:
    return GuestAgent(HYPERVISOR, DOMAIN).exec(["/bin/bash", "-c", command]).exit_code == 0


def unchanged(project: Project) -> None:
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output


def boot() -> str:
    return GuestAgent(HYPERVISOR, DOMAIN).read_file("/proc/sys/kernel/random/boot_id").decode()


@pytest.mark.parametrize("edit", _edits())
def test_an_edit_is_told_and_then_in_force(project: Project, edit: Edit) -> None:
    if edit.keeps:
        up(project)  # what the edit before has taken back is a change of the guest
    before = boot()
    project.edit(edit.before, edit.after)
    try:
        preview = project.pulumi("preview", "--diff")
        for said in edit.preview:
            assert said in preview.output, preview.output
        ended = project.make("up")  # which also moves the lab's way in where that was edited
        assert ended.code == 0, ended.output
        assert (boot() == before) is edit.keeps
        assert not edit.guest or holds(edit.guest), edit.guest
        assert edit.xml in HYPERVISOR.virsh("dumpxml", DOMAIN)
        unchanged(project)
    finally:
        if not edit.name.startswith("a larger"):
            project.edit(edit.after, edit.before)


@pytest.mark.long
def test_another_image_replaces_the_guest_by_plan(project: Project, tmp_path: Path) -> None:
    checksum = another_image(project, tmp_path)
    edit = (
        "    file: .nordgate/images/debian-13.json",
        f"    file: .nordgate/images/other.qcow2\n    sha256: '{checksum}'",
    )
    project.edit(*edit)
    preview = project.pulumi("preview", "--diff")
    for said in ("host1-image", "gw1-domain", "replace", checksum[:16]):
        assert said in preview.output, preview.output
    up(project)
    assert holds("grep another /etc/nordgate-image")
    assert [volume.name for volume in POOL.glob("*-image-*")] == [f"{LAB}-test-image-{checksum[:16]}.qcow2"]
    unchanged(project)
    project.edit(*reversed(edit))


def another_image(project: Project, folder: Path) -> str:
    """The stack's image with one file more, as .nordgate/images/other.qcow2; its checksum."""
    image = project.image
    raw, other, note = folder / "other.raw", image.with_name("other.qcow2"), folder / "note"
    note.write_text("another image\n")
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    run(["qemu-img", "convert", "-O", "raw", image, raw])
    with raw.open("rb") as file:
        table = file.read(512)
    # Start and length of each partition, in sectors; the root file system is the largest.
    partitions = [struct.unpack_from("<II", table, 446 + 16 * number + 8) for number in range(4)]
    start, _ = max(partitions, key=lambda partition: partition[1])
    run(["debugfs", "-w", "-R", f"write {note} etc/nordgate-image", f"{raw}?offset={start * 512}"])
    run(["qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", raw, other])
    raw.unlink()
    return hashlib.sha256(other.read_bytes()).hexdigest()


def test_an_image_with_another_checksum_stops_before_anything_is_touched(project: Project) -> None:
    named = f".nordgate/images/{project.image.name}\n    sha256: {'f' * 64}"
    project.edit(".nordgate/images/debian-13.json", named)
    before = boot()
    ended = project.pulumi("up", "--yes", "--skip-preview")
    project.edit(named, ".nordgate/images/debian-13.json")
    assert ended.code != 0
    assert f"declared is {'f' * 64}" in ended.output, ended.output
    assert boot() == before
    up(project)


def test_a_smaller_data_volume_is_refused(project: Project) -> None:
    project.edit("    dataVolume: 192MiB", "    dataVolume: 128MiB")
    ended = project.pulumi("up", "--yes", "--skip-preview")
    project.edit("    dataVolume: 128MiB", "    dataVolume: 192MiB")
    assert ended.code != 0
    assert "a data volume is never" in ended.output, ended.output
    up(project)


def test_a_volume_that_has_grown_further_than_its_file_system_is_told_by_a_preview(project: Project) -> None:
    """As after a deployment that was cut off between the two; the next boot grows it, below."""
    pool = f"nordgate-{LAB}-test"
    project.edit("    dataVolume: 192MiB", "    dataVolume: 256MiB")
    HYPERVISOR.virsh("vol-resize", DATA.name, str(GROWN), "--pool", pool, "--allocate")
    HYPERVISOR.virsh("blockresize", DOMAIN, str(DATA), f"{GROWN}B")
    preview = project.pulumi("preview")
    assert preview.code == 0, preview.output
    assert re.search(r"gw1 is not what was declared.*: file system is \d+ of 256 MiB", preview.output), preview.output


def test_a_paused_gateway_goes_on_and_is_stopped_cleanly(project: Project) -> None:
    assert holds(OLD_LOG_FOLDER)
    HYPERVISOR.virsh("suspend", DOMAIN)
    ended = project.make("start")
    assert ended.code == 0, ended.output
    HYPERVISOR.virsh("suspend", DOMAIN)
    ended = project.make("stop")
    assert ended.code == 0, ended.output
    assert HYPERVISOR.virsh("domstate", DOMAIN, "--reason").strip() == "shut off (shutdown)"


def test_a_stopped_gateway_is_started_and_proved_again(project: Project) -> None:
    ended = up(project)
    assert "which is shut off" in ended.output, ended.output
    assert holds('[ "$(stat -f -c "%b * %S" /srv/nordgate | xargs expr)" -gt 230000000 ]'), "the file system has grown"
    unchanged(project)


def test_what_a_worker_had_put_among_the_logs_was_set_aside_by_that_start_and_not_followed() -> None:
    assert holds(LOG_FOLDER_PUT_RIGHT)


def test_a_boot_that_failed_is_gone_through_again_when_it_has_been_mended(project: Project) -> None:
    """Such as a delivered pair that was not whole."""
    assert not holds("cd /srv/nordgate/tls && ln -sfn nowhere current && systemctl restart nordgate-boot")
    ended = project.make("start")
    assert ended.code != 0, ended.output
    assert "and does so again now: tls: /srv/nordgate/tls/current/server.key is missing" in ended.output, ended.output
    assert holds("ln -sfn self-signed /srv/nordgate/tls/current")
    ended = project.make("start")
    assert ended.code == 0, ended.output
    assert holds("grep '\"ready\":true' /run/nordgate/boot.json")
    unchanged(project)


def killed() -> None:
    """The emulator dies, as it does for lack of memory on its host."""
    listing = subprocess.run(["pgrep", "-f", f"guest={DOMAIN},"], capture_output=True, text=True, check=True)
    for pid in listing.stdout.split():
        os.kill(int(pid), signal.SIGKILL)


def asleep() -> None:
    """Suspended to memory by itself."""
    assert holds("systemd-run systemctl suspend")
    deadline = time.monotonic() + 60
    while "pmsuspended" not in HYPERVISOR.virsh("domstate", DOMAIN):
        assert time.monotonic() < deadline, HYPERVISOR.virsh("domstate", DOMAIN, "--reason")
        time.sleep(0.5)


def reset() -> None:
    """Again and again, as by a watchdog."""
    for _ in range(4):
        HYPERVISOR.virsh("reset", DOMAIN)
        time.sleep(5)


@pytest.mark.long
@pytest.mark.parametrize(
    ("fall", "said"),
    [
        (partial(HYPERVISOR.virsh, "suspend", DOMAIN), "bring back .*, which is paused"),
        (asleep, "bring back .*, which is pmsuspended"),
        (killed, r"bring back .*, which is shut off \(crashed\)"),
        (reset, "first boot has ended"),
    ],
    ids=["paused", "asleep", "killed", "reset"],
)
def test_a_gateway_that_has_fallen_is_brought_back_and_proved_again(
    project: Project, fall: Callable[[], object], said: str
) -> None:
    fall()
    ended = up(project)
    assert re.search(said, ended.output), ended.output
    assert "gw1-check created" in ended.output, ended.output
    unchanged(project)


@pytest.mark.long
def test_an_agent_that_is_silent_after_the_volume_has_grown_is_no_success(project: Project) -> None:
    project.edit("    dataVolume: 256MiB", "    dataVolume: 288MiB")
    # The answer to this command is still to be heard.
    later = "systemd-run --timer-property=AccuracySec=1s --on-active"
    assert holds(f"{later}=2 systemctl stop qemu-guest-agent; {later}=150 systemctl start qemu-guest-agent")
    deadline = time.monotonic() + 60
    while HYPERVISOR.look(DOMAIN).agent_connected:
        assert time.monotonic() < deadline, "the guest agent does not stop"
        time.sleep(0.2)
    ended = project.pulumi("up", "--yes", "--skip-preview")
    assert ended.code != 0, ended.output
    assert "gw1-data.raw has 288 MiB now, and the guest does not use all of it yet" in ended.output, ended.output
    ended = project.pulumi("up", "--yes", "--skip-preview")
    while ended.code != 0:  # until the agent answers
        assert "the guest does not use all of it yet" in ended.output, ended.output
        ended = project.pulumi("up", "--yes", "--skip-preview")
    assert holds('[ "$(stat -f -c "%b * %S" /srv/nordgate | xargs expr)" -gt 260000000 ]')


@pytest.mark.long
def test_a_domain_that_pulumi_is_told_to_replace_is_made_and_proved_again(project: Project) -> None:
    before = boot()
    domain = (
        f"urn:pulumi:{project.stack}::nordgate::nordgate:region:Region$nordgate:gateway:Gateway$nordgate:guest:Guest"
    )
    ended = project.pulumi(
        "up", "--yes", "--skip-preview", "--replace", f"{domain}$libvirt:index/domain:Domain::gw1-domain"
    )
    assert ended.code == 0, ended.output
    assert boot() != before
    assert holds(f"test -e {KEPT}")
    unchanged(project)


@pytest.mark.long
def test_stop_and_start_need_no_deployment(project: Project) -> None:
    assert project.make("stop").code == 0
    assert project.make("start").code == 0
    assert HYPERVISOR.virsh("domstate", DOMAIN).strip() == "running"
    up(project)


@pytest.mark.long
def test_a_domain_deleted_behind_pulumis_back_is_made_again(project: Project) -> None:
    HYPERVISOR.virsh("destroy", DOMAIN)
    HYPERVISOR.virsh("undefine", DOMAIN)
    up(project)
    assert holds("true")
    unchanged(project)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["seed", "root"])
def test_a_guest_whose_disk_was_deleted_is_made_again(project: Project, kind: str) -> None:
    (disk,) = POOL.glob(f"{DOMAIN}-{kind}-*")
    disk.unlink()
    up(project)
    unchanged(project)


@pytest.mark.long
def test_a_guest_that_was_edited_by_hand_is_made_anew_as_it_is_declared(project: Project) -> None:
    edited = "sed -i 's/keepalive_timeout .*/keepalive_timeout 5s;/' /etc/nginx/nginx.conf && nginx -s reload"
    assert holds(edited)
    ended = project.pulumi("up", "--yes", "--skip-preview")
    assert ended.code != 0, ended.output
    assert "what was put into the guest was changed by hand" in ended.output, ended.output
    ended = project.make("rebuild")
    assert ended.code == 0, ended.output
    assert holds(f"! grep 'keepalive_timeout 5s' /etc/nginx/nginx.conf && test -e {KEPT}")
    unchanged(project)


def test_a_gateway_whose_data_volume_is_gone_stops_the_deployment(project: Project) -> None:
    data = POOL / f"{DOMAIN}-data.raw"
    aside = data.rename(POOL.parent / "aside")
    ended = project.pulumi("up", "--yes", "--skip-preview")
    aside.rename(data)
    assert ended.code != 0
    assert f"gw1 has lost its data volume: {DOMAIN}-data.raw is not on host1 any more." in ended.output, ended.output
    unchanged(project)


@pytest.mark.long
def test_libvirtd_killed_while_a_guest_is_made_leaves_nothing_to_do_by_hand(project: Project) -> None:
    project.edit("    memory: 768MiB", "    memory: 800MiB")
    ended = project.killed_make("up", when=r"gw1-domain (creating|replacing|deleting)")
    assert "gw1-domain" in ended
    subprocess.run(["pkill", "-KILL", "-f", f"libvirtd.*{LAB}"], check=False)
    assert project.make("up").code == 0
    project.edit("    memory: 800MiB", "    memory: 768MiB")
    assert project.make("up").code == 0


@pytest.mark.long
def test_a_guest_that_cannot_start_fails_and_the_next_deployment_succeeds(project: Project) -> None:
    project.edit("    memory: 768MiB", "    memory: 4096GiB")
    ended = project.pulumi("up", "--yes", "--skip-preview")
    project.edit("    memory: 4096GiB", "    memory: 768MiB")
    assert ended.code != 0
    assert "memory" in ended.output
    up(project)
    unchanged(project)


def test_a_foreign_volume_of_our_name_is_refused_and_untouched(project: Project, tmp_path: Path) -> None:
    foreign = POOL / f"{LAB}-test-gw2-data.raw"
    foreign.write_bytes(b"someone else's" * 4096)
    project.edit(ANCHOR, SECOND + ANCHOR)
    ended = project.pulumi("up", "--yes", "--skip-preview")
    project.edit(SECOND + ANCHOR, ANCHOR)
    kept = tmp_path / "kept"
    shutil.move(foreign, kept)
    assert ended.code != 0
    assert f"{LAB}-test-gw2-data.raw" in ended.output, ended.output
    assert kept.read_bytes() == b"someone else's" * 4096
    up(project)


def test_a_foreign_domain_of_our_name_is_refused_and_untouched(project: Project, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.xml"
    foreign.write_text(
        f"<domain type='qemu'><name>{LAB}-test-gw2</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    HYPERVISOR.virsh("define", str(foreign))
    before = HYPERVISOR.virsh("dumpxml", f"{LAB}-test-gw2")
    project.edit(ANCHOR, SECOND + ANCHOR)
    ended = project.pulumi("up", "--yes", "--skip-preview")
    project.edit(SECOND + ANCHOR, ANCHOR)
    after = HYPERVISOR.virsh("dumpxml", f"{LAB}-test-gw2")
    HYPERVISOR.virsh("undefine", f"{LAB}-test-gw2")
    assert ended.code != 0
    assert f"domain {LAB}-test-gw2" in ended.output, ended.output
    assert after == before
    up(project)


def test_data_is_there_after_all_of_this_byte_for_byte(project: Project) -> None:
    assert project.folder
    assert holds(f"sha256sum {KEPT} | cut -c1-64 | grep -q $(cut -c1-64 /srv/nordgate/sum)")
