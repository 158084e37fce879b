"""The main job with a real guest: a gateway that fails, is mended, is cut off in the middle, comes up, and goes.

The tests share one stack and run in this order.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from cloudinit.catalogue.kernel_rows import KERNEL
from cloudinit.catalogue.row import Disposition
from nordgate.design.gateway_design import designs
from nordgate.errors import NordgateError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.settings.loader import load_file
from smoke.verdict import STOLEN_SHARE
from tests.e2e import intruder
from tests.e2e.faults import FAULTS, Fault
from tests.e2e.project import SOURCE, Project, leftovers
from tests.kernel_facts import answers_wanted, questions

STACK, LAB, PORT = "e2e-test", "e2e", 8743
URI = f"qemu:///system?socket=/var/lib/nordgate/lab/{LAB}/run/libvirt-sock"
TEMPLATE = "cloudinit/templates/nginx/log.conf.j2"
BROKEN = "no_such_directive on;\n"
"""A mistake of which only nginx sees that it is one."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("checkout"), LAB, PORT)
    yield project
    project.lab_down()


def proofs(project: Project) -> dict[str, Any]:
    """The smoke check of the running gateway, without its load."""
    return checked(project, "--proofs-only")


def checked(project: Project, *words: str) -> dict[str, Any]:
    """The smoke check of the running gateway."""
    (gateway,) = designs(load_file(project.folder, STACK), STACK, project.folder)
    done = subprocess.run(
        [sys.executable, "-m", "smoke", "--plan", "-", "--json", *words],
        cwd=project.folder, input=json.dumps(gateway.smoke_plan), text=True, capture_output=True, check=False,
        timeout=180,
    )  # fmt: skip
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_guest_that_cannot_get_ready_fails_the_deployment_and_says_why(project: Project) -> None:
    template = project.folder / TEMPLATE
    right = template.read_text()
    template.write_text(right + BROKEN)
    ended = project.make("up")
    template.write_text(right)
    assert ended.code != 0, ended.output
    assert "the first boot of gw1 failed" in ended.output, ended.output
    assert 'unknown directive "no_such_directive" in /etc/nginx/nordgate/log.conf' in ended.output, ended.output
    assert "serial console, last lines" in ended.output, ended.output
    assert "Outputs that Pulumi shows above as deleted (- urls) are not: " in ended.output, ended.output


def test_a_run_that_was_killed_is_taken_up_by_the_next(project: Project) -> None:
    project.killed_make("up", when=r"gw1-domain (creating|replacing)")
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert f"https://api.{STACK}.localhost:{PORT}/" in ended.output, ended.output
    assert f"make ssh STACK={STACK}" in ended.output, ended.output
    assert f"make console STACK={STACK}" in ended.output, ended.output


def test_the_stack_says_how_fast_the_gateway_is(project: Project) -> None:
    smoke = project.outputs()["smoke"]["gw1"]
    assert smoke["verdict"] == "pass"
    assert 0 < smoke["p50"] <= smoke["p99"]
    assert smoke["errors"] == 0


def test_another_program_reads_all_of_it_by_a_stack_reference(project: Project, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: reader\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(
        "import pulumi\n"
        f'region = pulumi.StackReference("organization/nordgate/{STACK}")\n'
        'pulumi.export("read", region.outputs)\n'
    )
    (tmp_path / ".nordgate").symlink_to(project.folder / ".nordgate")
    reader = copy.copy(project)
    reader.folder, reader.stack = tmp_path, "reader"
    for words in (("stack", "init"), ("up", "--yes", "--skip-preview")):
        ended = reader.pulumi(*words)
        assert ended.code == 0, ended.output
    assert reader.outputs()["read"] == project.outputs()


def asked(method: str, path: str, size: int = 0) -> tuple[str, str]:
    """Head and body of the gateway's answer to a request with a body of that many bytes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    head = (
        method + f" {path} HTTP/1.1",
        f"Host: api.{STACK}.localhost",
        f"Content-Length: {size}",
        "Connection: close",
    )
    with (
        socket.create_connection(("127.0.0.1", PORT), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=f"api.{STACK}.localhost") as connection,
    ):
        connection.sendall("\r\n".join((*head, "", "")).encode() + bytes(size))
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    said, _, body = answer.partition("\r\n\r\n")
    return said, body


def test_the_url_answers_from_this_machine_through_an_upstream() -> None:
    head, body = asked("GET", "/hello")
    assert head.startswith("HTTP/1.1 200")
    assert json.loads(body)["path"] == "/hello"
    assert json.loads(body)["backend"].startswith("backend-")


NAME = """
    import json, pathlib
    file = pathlib.Path("/etc/nordgate/upstreams.json")
    table = json.loads(file.read_text())
    server = table["groups"]["api"]["servers"][0]
    table["groups"]["api"]["servers"] += [{**server, "host": host} for host in ("10-81-0-1.lab.test", "none.lab.test")]
    file.write_text(json.dumps(table))
"""


def test_names_are_found_in_the_guest_and_one_that_is_unknown_harms_nothing() -> None:
    """Two are added by hand: the lab's DNS knows one of them."""
    guest = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    file, restart = "/etc/nordgate/upstreams.json", "systemctl restart nordgate-upstreams.service"
    program = textwrap.dedent(NAME)
    begun = guest.exec(["/bin/bash", "-ec", f"cp {file} /root/kept; python3 -c '{program}'; {restart}"])
    assert begun.exit_code == 0, begun.stderr
    try:
        wait_for(guest, "server 10.81.0.1:9001 max_fails=0; # 10-81-0-1.lab.test", True)
        assert asked("GET", "/x")[0].startswith("HTTP/1.1 200")
    finally:
        guest.exec(["/bin/bash", "-ec", f"mv /root/kept {file}; {restart}"])
    wait_for(guest, "lab.test", False)
    assert asked("GET", "/x")[0].startswith("HTTP/1.1 200")


def wait_for(guest: GuestAgent, text: str, there: bool) -> None:
    """Until nginx's list of servers has the text, or has it no more."""
    deadline = time.monotonic() + 120
    while (text in (found := guest.read_file("/run/nordgate/upstreams/api.conf").decode())) is not there:
        assert time.monotonic() < deadline, f"{text!r} was waited for:\n{found}"
        time.sleep(1)


def test_a_server_that_is_lost_is_left_out_and_comes_back() -> None:
    """The lab's backends answer at addresses of its loopback device: one is taken away."""
    guest = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    lab = [sys.executable, "-m", "lab", "exec", LAB, "ip", "address"]
    for change, left_out in (("delete", True), ("add", False)):
        subprocess.run([*lab, change, "10.81.0.22/32", "dev", "lo"], cwd=SOURCE, check=True, timeout=60)
        wait_for(guest, " down;", left_out)
        assert asked("GET", "/x")[0].startswith("HTTP/1.1 200")


def test_what_watches_the_servers_can_do_nothing_else() -> None:
    guest = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    script = """
        pid=$(systemctl show --property MainPID --value nordgate-upstreams.service)
        while read -r key value _; do
            case $key in Uid:|CapEff:|CapBnd:|NoNewPrivs:) echo "$key $value" ;; esac
        done </proc/$pid/status
        stat -c '%U %a' /run/nordgate/upstreams /run/nordgate/upstreams/api.conf
        systemctl --failed --no-legend --plain
    """
    told = guest.exec(["/bin/bash", "-ec", script]).stdout.decode().splitlines()
    uid = int(told[0].removeprefix("Uid: "))
    assert 61184 <= uid <= 65519, "of those that systemd gives to units for as long as they run"
    assert told[1:] == [
        *("CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1"),
        *("root 755", "root 644"),
    ]


def test_nothing_changes_right_after(project: Project) -> None:
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output


def test_a_second_up_changes_nothing(project: Project) -> None:
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert "unchanged" in ended.output, ended.output
    assert "created" not in ended.output, ended.output
    assert "replaced" not in ended.output, ended.output


def test_another_directory_sees_no_change(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(project.folder, elsewhere, symlinks=True)
    moved = copy.copy(project)
    moved.folder = elsewhere
    ended = moved.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output
    state = (elsewhere / f".nordgate/state/.pulumi/stacks/nordgate/{STACK}.json").read_text()
    assert str(project.folder) not in state
    assert str(SOURCE) not in state


def test_the_checkout_stays_clean(project: Project) -> None:
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project.folder, capture_output=True, text=True, check=True
    )
    assert [line for line in status.stdout.splitlines() if not line.startswith("A ")] == []


def test_the_guest_is_what_was_declared(project: Project) -> None:
    ended = project.make("verify")
    assert ended.code == 0, ended.output
    assert "0 differ" in ended.output, ended.output


def test_nothing_has_drifted(project: Project) -> None:
    ended = project.make("drift")
    assert ended.code == 0, ended.output
    assert "unchanged" in ended.output, ended.output


def test_the_smoke_check_runs_any_time(project: Project) -> None:
    ended = project.make("smoke")
    assert ended.code == 0, ended.output
    report = json.loads((project.folder / f".nordgate/reports/{STACK}-gw1.json").read_text())
    for series in report["series"]:
        # Counted by the guest's kernel around the load; from an emulated processor nothing can be stolen.
        assert 0 <= series["stolen"] <= STOLEN_SHARE
        found = {line["what"]: (line["found"], line["verdict"]) for line in series["lines"]}
        assert found["stolen from the guest"] == (f"{series['stolen']:.1%}", "pass")


def test_every_promise_reads_back_in_the_guest(project: Project) -> None:
    found = proofs(project)
    lines = {line["what"]: line for line in found["lines"]}
    assert {line["verdict"] for line in lines.values()} == {"pass"}
    declared = {
        row.key for row in KERNEL if row.disposition in (Disposition.SET, Disposition.FLOOR, Disposition.ASSERT)
    }
    assert declared <= lines.keys()
    assert lines["nginx master: open files"]["found"] == "1048576"
    assert lines["nginx worker: open files"]["found"] == "100000"
    assert lines["accept queue of port 443"]["found"] == "65535"
    assert lines["upstream connections used again"]["found"].startswith(("0 opened", "1 opened", "2 opened"))
    assert found["versions"].keys() == {"kernel", "nginx", "openssl"}


def test_a_workers_account_changes_reads_and_starts_nothing_of_roots() -> None:
    """Given to an intruder: first without what confines nginx's own processes, then with it."""
    agent = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    assert intruder.gains(agent) == []
    assert intruder.as_a_worker(agent) == {
        "privileges by other programs": "none",
        "capabilities": "none",
        "core files": "none",
        "makes files in": "/run/nordgate/bodies",
    }


def test_the_guests_kernel_is_as_the_catalogue_says() -> None:
    """Its defaults and bounds, where nobody has changed them; and the table of connections, as it was made."""
    agent = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    done = agent.exec(["/usr/bin/unshare", "--net", "/bin/bash"], stdin=questions().encode())
    assert done.stdout.decode().splitlines() == answers_wanted()
    table = agent.exec(
        ["/bin/bash", "-c", "cd /proc/sys/net/netfilter; echo $(<nf_conntrack_max) $(<nf_conntrack_buckets)"]
    )
    assert table.stdout.split() == [b"1048576", b"1048576"], "two to a chain where it is full, and no more memory"


def test_what_can_fill_the_systems_disk_is_bounded() -> None:
    """Beside what workers write, which the test above has: the journal, packages, and logs that grow with logins."""
    done = GuestAgent(Hypervisor(URI), f"{STACK}-gw1").exec(["/bin/bash", "-c", BOUNDED])
    assert done.stdout.decode().splitlines() == ["max 64M", "keeps no archives", "btmp 0", "btmp.1 9437184"]


def test_bodies_wait_in_a_place_of_their_own_and_whoever_finds_no_room_may_come_again() -> None:
    agent = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    assert asked("POST", "/posted", 500_000)[0].startswith("HTTP/1.1 200")
    filler = "/run/nordgate/bodies/filler"
    try:
        agent.exec(["/bin/bash", "-c", f"head -c 1G /dev/zero >{filler}"])
        head, _ = asked("POST", "/posted", 500_000)
        assert head.startswith("HTTP/1.1 503")
        assert "\r\nRetry-After: 5" in head
        assert asked("POST", "/posted", 5000)[0].startswith("HTTP/1.1 200")
    finally:
        size = agent.exec(["/bin/bash", "-c", f"stat -c %s {filler}; rm {filler}; ls /run/nordgate/bodies"]).stdout
    assert size.split() == [str(64 << 20).encode()], "and what waited is gone"


BOUNDED = """
journalctl --boot --identifier systemd-journald --output cat | grep -o 'max 64M' | tail -n 1
[[ $(apt-config dump APT::Keep-Downloaded-Packages) == *'"false"'* ]] && echo keeps no archives
head -c 9M /dev/zero >>/var/log/btmp; systemctl start nordgate-logrotate.service
cd /var/log; stat -c '%n %s' btmp btmp.1; rm btmp.1
"""


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Two processes that want a processor each, beside the emulated guest's."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait(10)


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.usefixtures("busy_machine")
def test_a_healthy_gateway_passes_twenty_times_out_of_twenty(project: Project) -> None:
    took = []
    for _ in range(20):
        begun = time.monotonic()
        found = checked(project)
        took.append(time.monotonic() - begun)
        assert (found["verdict"], found["failing"]) == ("pass", [])
    assert median(took) < 40, "after readiness, with the stack's own load"


@pytest.mark.long
def test_a_gateway_whose_power_was_cut_is_proved_as_soon_as_it_is_ready_again(project: Project) -> None:
    """Each proof is read at its earliest moment; and what the cut left in the logs is no obstacle."""
    subprocess.run(["virsh", "-c", URI, "reset", f"{STACK}-gw1"], check=True, capture_output=True)
    found = proofs(project)
    assert (found["verdict"], found["failing"], found.get("problem")) == ("pass", [], None)


def _faults() -> list[Any]:
    return [pytest.param(fault, id=fault.name, marks=[pytest.mark.long] if fault.long else []) for fault in FAULTS]


@contextmanager
def put_in(fault: Fault) -> Iterator[None]:
    """The fault is in the running guest until the body ends."""
    agent = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    broken = agent.exec(["/bin/bash", "-ec", fault.broken], timeout=120)
    assert broken.exit_code == 0, broken.stderr
    try:
        yield
    finally:
        mended = agent.exec(["/bin/bash", "-ec", fault.mended], timeout=60)
        assert mended.exit_code == 0, mended.stderr


@pytest.mark.parametrize("fault", _faults())
def test_a_fault_put_in_by_hand_fails_the_check_and_is_named(project: Project, fault: Fault) -> None:
    with put_in(fault):
        found = proofs(project)
    assert found["verdict"] == "fail"
    if fault.failing:
        assert fault.failing in [line["what"] for line in found["lines"] if line["verdict"] == "fail"]
    if fault.says:
        assert re.search(fault.says, found["causes"][0]["sentence"]), found["causes"]


def test_what_was_changed_inside_a_guest_is_drift_and_is_proved_again(project: Project) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "another configuration loaded")
    with put_in(fault):
        verified = project.make("verify")
        preview = project.pulumi("preview")
    assert verified.code != 0, verified.output
    assert "Error 1" in verified.output, verified.output
    assert "files on disk" in verified.output, verified.output
    assert preview.code == 0, preview.output
    assert "gw1 is not what was declared, so it is proved again: " in preview.output, preview.output
    assert "gw1-check" in preview.output, preview.output


@pytest.mark.long
def test_a_dead_agent_is_told_soon_and_is_no_pass(project: Project) -> None:
    agent = GuestAgent(Hypervisor(URI), f"{STACK}-gw1", timeout=5)
    later = "systemd-run --on-active=60 systemctl start qemu-guest-agent; systemd-run systemctl stop qemu-guest-agent"
    assert agent.exec(["/bin/bash", "-c", later]).exit_code == 0
    while answers(agent):
        time.sleep(0.5)
    begun = time.monotonic()
    found = checked(project)
    took = time.monotonic() - begun
    while not answers(agent):
        assert time.monotonic() - begun < 300, "the agent was to start again"
        time.sleep(2)
    assert found["verdict"] == "inconclusive", found
    assert found["causes"][0]["sentence"] == "the gateway serves, and its guest cannot be asked"
    assert found["series"], "what can be measured from outside is"
    assert took < 60


def answers(agent: GuestAgent) -> bool:
    try:
        agent.ping()
    except NordgateError:
        return False
    return True


def test_the_mended_gateway_passes_again_and_nothing_changes(project: Project) -> None:
    assert proofs(project)["verdict"] == "pass"
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output


def test_a_person_can_log_in_with_a_key_that_lasts_one_session(project: Project) -> None:
    ended = project.make("ssh", typed="hostname; sudo -n id -u; exit\n")
    assert ended.code == 0, ended.output
    assert f"{STACK}-gw1" in ended.output, ended.output
    keys = project.make("ssh", typed="grep -c ssh-ed25519 ~/.ssh/authorized_keys; exit\n")
    assert "1" in keys.output.split(), keys.output


@pytest.mark.long
def test_a_guest_that_was_stopped_is_started_and_proved_again(project: Project) -> None:
    subprocess.run(["virsh", "-c", URI, "destroy", f"{STACK}-gw1"], check=True, capture_output=True)
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert "which is shut off" in ended.output, ended.output
    assert "gw1-check created" in ended.output, ended.output


def test_a_lab_whose_services_have_died_gets_them_again_beside_its_guest(project: Project) -> None:
    """Its first process does nothing meanwhile, as one whose checkout is gone."""
    guest = GuestAgent(Hypervisor(URI), f"{STACK}-gw1")
    boot = guest.read_file("/proc/sys/kernel/random/boot_id")
    first = int(Path(f"/var/lib/nordgate/lab/{LAB}/pid").read_text().split()[0])
    os.kill(first, signal.SIGSTOP)
    try:
        for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            if b"lab." in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)
        ended = project.make("lab-up")
    finally:
        os.kill(first, signal.SIGCONT)
    assert ended.code == 0, ended.output
    assert "Starting backend 1, backend 2, dns of lab e2e again" in ended.output, ended.output
    assert guest.read_file("/proc/sys/kernel/random/boot_id") == boot
    wait_for(guest, " down;", False)  # the gateway has seen them die, and sees them again
    assert json.loads(asked("GET", "/hello")[1])["backend"].startswith("backend-")


def test_a_lab_that_died_comes_back_with_its_guest_and_is_proved_again(project: Project) -> None:
    os.kill(int(Path(f"/var/lib/nordgate/lab/{LAB}/pid").read_text().split()[0]), signal.SIGKILL)
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert "gw1-check created replacement" in ended.output, ended.output
    assert "gw1-domain created" not in ended.output, ended.output


def test_nothing_is_left_after_destroy(project: Project) -> None:
    ended = project.make("destroy")
    assert ended.code == 0, ended.output
    for listing in (["list", "--all"], ["net-list", "--all"], ["pool-list", "--all"]):
        names = subprocess.run(["virsh", "-c", URI, *listing, "--name"], capture_output=True, text=True, check=True)
        assert names.stdout.split() == [], listing
    assert not Path(f"/var/lib/nordgate/lab/{LAB}/pool").exists()
    ended = project.make("lab-down")
    assert ended.code == 0, ended.output
    assert leftovers(project) == []
