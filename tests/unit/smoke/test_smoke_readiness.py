"""Waiting for a guest ends with its readiness, or at once with the reason why there will be none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nordgate.errors import AgentError, AgentSilentError, DomainStoppedError, HypervisorError, NotReadyError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.panic import PanicWatch
from smoke.boot_result import BootResult
from smoke.progress import Progress
from smoke.readiness import Pace, brought_back, wait_until_ready

GOOD = json.dumps({"ready": True, "contentHash": "new", "steps": []})
STALE = json.dumps({"ready": False, "contentHash": "old", "steps": []})
FAILED = json.dumps(
    {
        "ready": False,
        "contentHash": "new",
        "steps": [{"name": "data volume", "seconds": 1, "ok": True}, {"name": "nginx", "ok": False, "error": "no key"}],
    }
)


@pytest.fixture
def wait(guest: Any, make_plan: Any) -> Any:
    def run(timeout: float = 5, stale: float = 5, start: bool = True) -> BootResult:
        libvirt = {"uri": "test:///fake", "domain": "gw1", "start": start}
        plan = make_plan(libvirt=libvirt, contentHash="new", readiness={"timeoutSeconds": timeout})
        agent, pace = GuestAgent(guest.hypervisor, "gw1"), Pace(poll=0.02, stale=stale, console=0.05)
        return wait_until_ready(plan, guest.hypervisor, agent, Progress(quiet=True), pace)

    return run


def test_ready_guest_is_waited_for_through_all_its_stages(guest: Any, wait: Any) -> None:
    guest.set(connected_after=2, boot=[None, '{"ready": tr', GOOD])
    assert wait().ready
    assert guest.get("looks") == 3
    assert guest.get("commands").count("guest-ping") == 1


def test_agent_is_not_bothered_before_it_is_connected(guest: Any, wait: Any) -> None:
    guest.set(connected_after=1000)
    with pytest.raises(NotReadyError, match=r"gw1 was not ready within 0.3 s: waited for the guest agent to connect\."):
        wait(timeout=0.3)
    assert guest.get("commands") is None


PANIC = """\
[    1.204113] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
[    1.204551] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.0-amd64 #1 Debian 6.12.41-1
[    1.206998] Kernel Offset: disabled
[    1.207240] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---
"""


@pytest.mark.parametrize("before", [{"connected_after": 1000}, {"silent": "not connected"}])
def test_a_kernel_that_has_panicked_ends_the_wait(guest: Any, wait: Any, before: Any, tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_text(f"SeaBIOS\n[    0.000000] Linux version 6.12\n{PANIC}")
    guest.set(console=str(console), **before)
    with pytest.raises(NotReadyError) as caught:
        wait(timeout=60)
    why = "VFS: Unable to mount root fs on unknown-block(0,0)"
    assert str(caught.value).startswith(f"the kernel of gw1 has panicked and stands still: {why}. What led there")
    assert "`make start STACK=test GATEWAY=gw1`" in str(caught.value)


@pytest.mark.parametrize(
    "after",
    ["SeaBIOS (version 1.16)\n", "[    0.000000] Linux version 6.12\n", "[    0.312000] Run /init\n"],
    ids=["its firmware", "its kernel", "a quiet kernel"],
)
def test_a_guest_that_boots_again_after_a_panic_is_waited_for(
    guest: Any, wait: Any, after: str, tmp_path: Path
) -> None:
    console = tmp_path / "console.log"
    console.write_text(PANIC + after)
    guest.set(console=str(console), connected_after=1000)
    with pytest.raises(NotReadyError, match=r"was not ready within 0.5 s"):
        wait(timeout=0.5)


def test_a_panic_that_the_guest_resets_itself_after_is_waited_out(guest: Any, tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_text(PANIC)
    watch = PanicWatch(guest.hypervisor, "gw1", every=0)
    guest.set(console=str(console))
    assert watch.look() is None
    console.write_text(f"{PANIC}[    9.000000] Rebooting in 10 seconds..\n")
    assert watch.look() is None
    console.write_text(f"{PANIC}[    9.000000] Rebooting in 10 seconds..\nSeaBIOS\n")
    assert watch.look() is watch.look() is None


def test_failed_first_boot_ends_the_wait_and_names_step_and_error(guest: Any, wait: Any) -> None:
    guest.set(boot=FAILED)
    with pytest.raises(NotReadyError, match="the first boot of gw1 failed: nginx: no key"):
        wait(timeout=60)


@pytest.mark.parametrize("before", [{"connected_after": 2, "boot": FAILED}, {"boot": [None, FAILED]}])
def test_a_boot_that_fails_while_it_is_waited_for_is_not_tried_again(guest: Any, wait: Any, before: Any) -> None:
    guest.set(**before)
    with pytest.raises(
        NotReadyError, match=r"the first boot of gw1 failed: nginx: no key\. Where a setting is wrong, "
    ):
        wait(timeout=60)
    assert "guest-exec" not in guest.get("commands")


def test_a_boot_that_failed_before_is_gone_through_again_and_a_repair_in_place_counts(guest: Any, wait: Any) -> None:
    guest.set(boot=[FAILED, None, GOOD], ends=0)
    assert wait().ready
    (script,) = guest.get("exec")["arg"][1:]
    assert script.index("rm -f /run/nordgate/boot.json") < script.index("systemctl restart --no-block nordgate-boot")


@pytest.mark.parametrize("second", [[None, FAILED], [FAILED]])
def test_a_boot_that_fails_once_more_says_so_and_what_is_left_to_do(guest: Any, wait: Any, second: Any) -> None:
    guest.set(boot=[FAILED, *second], ends=0)
    with pytest.raises(NotReadyError) as caught:
        wait(timeout=60)
    assert "the first boot of gw1 failed, and does so again now: nginx: no key. " in str(caught.value)
    assert "`make rebuild STACK=test GATEWAY=gw1`" in str(caught.value)
    assert guest.get("commands").count("guest-exec") == 1


@pytest.mark.parametrize("how", [{"ends": 1}, {"refuse": ["guest-exec"]}])
def test_a_guest_that_cannot_try_again_keeps_its_failure(guest: Any, wait: Any, how: Any) -> None:
    guest.set(boot=FAILED, **how)
    with pytest.raises(NotReadyError, match="the first boot of gw1 failed: nginx: no key"):
        wait(timeout=60)


def test_a_check_that_is_only_to_look_starts_nothing(guest: Any, wait: Any) -> None:
    guest.set(boot=FAILED, ends=0)
    with pytest.raises(NotReadyError, match="the first boot of gw1 failed: nginx: no key"):
        wait(timeout=60, start=False)
    assert "guest-exec" not in guest.get("commands")


@pytest.mark.parametrize("state", ["paused (creating snapshot)", "paused (starting up)", "in shutdown", "no state"])
def test_a_state_that_passes_is_waited_for(guest: Any, wait: Any, state: str) -> None:
    guest.set(state=[state, state, "running (booted)"], connected_after=2)
    assert wait().ready


@pytest.mark.parametrize(
    ("state", "again"),
    [
        ("running (booted)", []),
        ("paused (user)", ["try-restart", "chrony.service"]),
        ("pmsuspended (unknown)", ["try-restart", "chrony.service"]),
        ("shut off (saved)", ["try-restart", "chrony.service"]),
        ("shut off (crashed)", []),
    ],
)
def test_a_clock_that_stood_still_hears_its_time_servers_again(
    guest: Any, make_plan: Any, state: str, again: list[str]
) -> None:
    guest.set(state=[state, state, "running (unpaused)"])
    plan = make_plan(libvirt={"uri": "test:///fake", "domain": "gw1"}, contentHash="new")
    agent = GuestAgent(guest.hypervisor, "gw1")
    assert brought_back(plan, guest.hypervisor, agent, Progress(quiet=True)).ready
    assert (guest.get("exec") or {}).get("arg", []) == again


def test_guest_that_never_writes_its_result_runs_into_the_bound(guest: Any, wait: Any) -> None:
    guest.set(boot=None)
    with pytest.raises(NotReadyError, match="waited for the guest to write /run/nordgate/boot"):
        wait(timeout=0.5)


def test_failure_of_a_former_instance_is_not_mistaken_for_this_one(guest: Any, wait: Any) -> None:
    guest.set(boot=[STALE, STALE, GOOD])
    assert wait().content_hash == "new"


def test_boot_that_failed_before_it_knew_its_hash_is_a_failed_boot(guest: Any, wait: Any) -> None:
    guest.set(boot=json.dumps({"ready": False, "contentHash": "", "steps": [{"name": "start", "ok": False}]}))
    with pytest.raises(NotReadyError, match="the first boot of gw1 failed: start: no error given"):
        wait(timeout=60)


def test_guest_that_stays_another_instance_is_named(guest: Any, wait: Any) -> None:
    guest.set(boot=STALE)
    with pytest.raises(NotReadyError, match=r"not the guest that was declared: its content hash is old, not new"):
        wait(timeout=60, stale=0.1)


def test_silent_agent_is_quoted_when_the_bound_is_reached(guest: Any, wait: Any) -> None:
    guest.set(silent="QEMU guest agent is not available due to an error")
    with pytest.raises(NotReadyError, match=r"which is connected, to answer \(.*not available due to an error"):
        wait(timeout=0.3)


@pytest.mark.parametrize("connected_after", [0, 1000])
def test_agent_that_stays_silent_in_a_guest_that_serves_ends_the_wait(
    guest: Any, make_plan: Any, connected_after: int
) -> None:
    guest.set(connected_after=connected_after, silent="it has died")
    plan = make_plan(libvirt={"uri": "test:///fake", "domain": "gw1"}, readiness={"timeoutSeconds": 240})
    agent, pace = GuestAgent(guest.hypervisor, "gw1"), Pace(poll=0.02, grace=0.5)
    answers = iter([False, False])  # it comes up while the agent is waited for
    with pytest.raises(AgentSilentError):
        wait_until_ready(plan, guest.hypervisor, agent, Progress(quiet=True), pace, serves=lambda: next(answers, True))


def test_an_agent_that_starts_a_little_after_the_gateway_is_waited_for(guest: Any, make_plan: Any) -> None:
    guest.set(connected_after=4)
    plan = make_plan(libvirt={"uri": "test:///fake", "domain": "gw1"}, contentHash="new")
    agent, pace = GuestAgent(guest.hypervisor, "gw1"), Pace(poll=0.02, grace=30)
    answers = iter([False])
    ready = wait_until_ready(
        plan, guest.hypervisor, agent, Progress(quiet=True), pace, serves=lambda: next(answers, True)
    )
    assert ready.ready


def test_a_long_wait_says_where_there_is_no_terminal_what_it_waits_for(
    guest: Any, make_plan: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("smoke.progress._QUIET_FOR", 0.1)
    guest.set(connected_after=1000)
    plan = make_plan(libvirt={"uri": "test:///fake", "domain": "gw1"}, readiness={"timeoutSeconds": 0.5})
    with pytest.raises(NotReadyError):
        wait_until_ready(plan, guest.hypervisor, GuestAgent(guest.hypervisor, "gw1"), Progress(), Pace(poll=0.02))
    assert "guest agent answers … 0 s, waiting for the guest agent to connect" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["shut off (crashed)", "crashed (panicked)", "paused (I/O error)"])
def test_domain_that_does_not_run_ends_the_wait(guest: Any, wait: Any, state: str) -> None:
    guest.set(state=["running (booted)", state], connected_after=1000)
    with pytest.raises(DomainStoppedError) as caught:
        wait(timeout=60)
    assert str(caught.value) == f"the domain gw1 does not run: it is {state}."


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("failed to get domain 'gw1'", "there is no domain gw1 at test:///fake."),
        (
            "failed to connect to the hypervisor\nerror: Failed to connect socket to '/x': No such file or directory",
            "cannot reach libvirt at test:///fake: Failed to connect socket to '/x': No such file or directory",
        ),
    ],
)
def test_unreachable_hypervisor_is_one_sentence(guest: Any, wait: Any, error: str, sentence: str) -> None:
    guest.set(error=error)
    with pytest.raises(HypervisorError) as caught:
        wait(timeout=60)
    assert str(caught.value) == sentence


def test_refusing_agent_is_one_sentence(guest: Any, wait: Any) -> None:
    guest.set(refuse=["guest-file-open"])
    with pytest.raises(AgentError, match=r"^the guest agent of gw1 refuses guest-file-open: "):
        wait(timeout=60)


def test_missing_virsh_is_one_sentence(wait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HypervisorError, match=r"^virsh is not on PATH: install the package libvirt-clients\.$"):
        wait(timeout=60)
