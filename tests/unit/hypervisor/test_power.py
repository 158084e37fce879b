"""Every state that libvirt has for a domain: what brings it back, and that a stop waits for none that cannot answer."""

from __future__ import annotations

import pytest

from nordgate.errors import DomainStoppedError, HypervisorError
from nordgate.hypervisor import power
from nordgate.hypervisor.domain_states import read_state
from nordgate.hypervisor.virsh import Hypervisor
from tests.unit.hypervisor.libvirt import OFF, RUNNING, Libvirt, install

GUEST = power.Guest(uri="test:///default", domain="gw1", within=60)
HERE = Hypervisor(GUEST.uri)
NOT_RUNNING = HypervisorError("Requested operation is not valid: domain is not running")

# As virsh says them (libvirt: tools/virsh-domain-monitor.c), and those that other drivers and older releases have.
RUN = ("running (booted)", "running (unpaused)", "running (crashed)", "running", "idle", "blocked")
PAUSED = (*("paused (user)", "paused (unknown)", "paused (I/O error)", "paused (api error)", "paused"),)
DEAD = ("crashed (panicked)", "crashed", "paused (crashed)", "paused (watchdog)", "paused (post-copy failed)")
BUSY = (
    *("paused (migrating)", "paused (saving)", "paused (dumping)", "paused (creating snapshot)"),
    *("paused (from snapshot)", "paused (starting up)", "paused (post-copy)"),
)
ENDING = ("in shutdown (user)", "in shutdown", "paused (shutting down)", "no state", "dying", "a state of tomorrow")
STOPPED = ("shut off (shutdown)", "shut off (destroyed)", "shut off (crashed)", "shut off (saved)", "shut off")
ASLEEP = ("pmsuspended (unknown)", "pmsuspended (disk)", "pmsuspended")


@pytest.mark.parametrize(
    ("state", "commands"),
    [
        *((state, []) for state in RUN),
        *((state, ["resume"]) for state in PAUSED),
        *((state, ["dompmwakeup"]) for state in ASLEEP),
        *((state, ["destroy", "start"]) for state in DEAD),
        *((state, ["start"]) for state in STOPPED),
    ],
)
def test_a_domain_is_brought_back_from_every_state(
    state: str, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    libvirt = install(monkeypatch, Libvirt(state))
    power.bring_back(HERE, "gw1")
    assert libvirt.said == commands
    assert libvirt.now < 1


@pytest.mark.parametrize("state", [*BUSY, *ENDING])
@pytest.mark.parametrize(("follows", "commands"), [(RUNNING, []), (OFF, ["start"])])
def test_what_another_state_follows_by_itself_is_waited_for(
    state: str, follows: str, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    libvirt = install(monkeypatch, Libvirt([state] * 20 + [follows]))
    power.bring_back(HERE, "gw1")
    assert libvirt.said == commands


@pytest.mark.parametrize("state", [state for state in ENDING if not state.startswith("paused")])
def test_what_nothing_follows_is_cut_off_after_a_minute_and_started(
    state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    libvirt = install(monkeypatch, Libvirt(state))
    power.bring_back(HERE, "gw1")
    assert libvirt.said == ["destroy", "start"]
    assert 60 <= libvirt.now < 62


@pytest.mark.parametrize("state", [*BUSY, "paused (shutting down)"])
def test_what_is_done_with_a_guest_elsewhere_is_not_broken_off(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    libvirt = install(monkeypatch, Libvirt(state))
    with pytest.raises(DomainStoppedError, match=r"gw1 has been paused .* for 60 s: look on its host"):
        power.bring_back(HERE, "gw1")
    assert libvirt.said == []


@pytest.mark.parametrize(("state", "remedy"), [("paused (user)", "resume"), ("pmsuspended (unknown)", "dompmwakeup")])
@pytest.mark.parametrize("refused", [True, False])
def test_a_guest_that_does_not_go_on_is_cut_off_and_started(
    state: str, remedy: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    libvirt = install(monkeypatch, Libvirt(state, **{remedy: HypervisorError("no") if refused else state}))
    power.bring_back(HERE, "gw1")
    assert libvirt.said == [remedy] * 3 + ["destroy", "start"]


def test_a_guest_whose_disk_is_full_keeps_what_it_has_not_written_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libvirt = install(monkeypatch, Libvirt("paused (I/O error)", resume="paused (I/O error)"))
    with pytest.raises(DomainStoppedError, match=r"gw1 stays paused \(I/O error\).*make room in the pool"):
        power.bring_back(HERE, "gw1")
    assert libvirt.said == ["resume"] * 3
    assert libvirt.now < 30


def test_a_guest_that_cannot_be_started_says_why_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    libvirt = install(monkeypatch, Libvirt(OFF, start=HypervisorError("cannot allocate memory")))
    with pytest.raises(HypervisorError, match="cannot allocate memory"):
        power.bring_back(HERE, "gw1")
    assert libvirt.said == ["start"]


def test_a_guest_that_crashes_whenever_it_is_started_ends_the_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    libvirt = install(monkeypatch, Libvirt(OFF, start="shut off (failed)"))
    with pytest.raises(DomainStoppedError, match=r"gw1 stays shut off \(failed\), whatever is tried"):
        power.bring_back(HERE, "gw1")
    assert libvirt.said == ["start"] * 3


def test_a_guest_that_somebody_else_starts_at_that_moment_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    active = HypervisorError("Domain is already active")
    libvirt = install(monkeypatch, Libvirt([OFF, RUNNING], start=active))
    power.bring_back(HERE, "gw1")
    assert libvirt.said == ["start"]


def test_a_domain_that_is_gone_cannot_be_brought_back(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Libvirt(None))
    with pytest.raises(DomainStoppedError, match="there is no domain gw1 at test:///default"):
        power.bring_back(HERE, "gw1")


@pytest.mark.parametrize(
    ("state", "commands", "clean"),
    [
        *((state, ["shutdown"], True) for state in RUN),
        *((state, ["resume", "shutdown"], True) for state in PAUSED),
        *((state, ["dompmwakeup", "shutdown"], True) for state in ASLEEP),
        *((state, ["destroy"], state.startswith("crashed")) for state in DEAD),
        *((state, [], True) for state in (*STOPPED, None)),
    ],
)
def test_a_stop_waits_for_none_that_cannot_answer(
    state: str | None, commands: list[str], clean: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    libvirt = install(monkeypatch, Libvirt(state))
    assert power.shut_down(GUEST) is clean
    assert libvirt.said == commands
    assert libvirt.now < 1


@pytest.mark.parametrize(("state", "remedy"), [("paused (user)", "resume"), ("pmsuspended", "dompmwakeup")])
@pytest.mark.parametrize("refused", [True, False])
def test_a_stop_cuts_off_a_guest_that_does_not_go_on(
    state: str, remedy: str, refused: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    libvirt = install(monkeypatch, Libvirt(state, **{remedy: HypervisorError("no") if refused else state}))
    assert not power.shut_down(GUEST)
    assert libvirt.said == [remedy, "destroy"]
    assert libvirt.now < 10
    assert f"gw1 is {state} and cannot answer: it has been cut off." in capsys.readouterr().err


@pytest.mark.parametrize(("state", "most"), [*((state, 11) for state in ENDING[3:]), *((state, 61) for state in BUSY)])
def test_a_stop_waits_for_what_ends_by_itself_and_not_for_long(
    state: str, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    libvirt = install(monkeypatch, Libvirt([state] * 5 + [OFF]))
    assert power.shut_down(GUEST)
    assert libvirt.said == []
    libvirt = install(monkeypatch, Libvirt(state))
    assert not power.shut_down(GUEST)
    assert libvirt.said == ["destroy"]
    assert libvirt.now < most


def test_a_guest_that_does_not_hear_is_cut_off_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    libvirt = install(monkeypatch, Libvirt(RUNNING, shutdown=RUNNING))
    assert not power.shut_down(GUEST)
    assert libvirt.said[-1] == "destroy"
    assert 60 <= libvirt.now < 61
    assert "gw1 did not shut down within 60 s: it has been cut off." in capsys.readouterr().err


@pytest.mark.parametrize("after", ["shut off (shutdown)", None])
def test_a_guest_that_stops_just_after_the_deadline_has_stopped_by_itself(
    after: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    libvirt = Libvirt(RUNNING, shutdown=RUNNING)

    def stopped() -> Exception:
        libvirt.states = [after]
        return NOT_RUNNING

    libvirt.effects["destroy"] = stopped
    install(monkeypatch, libvirt)
    power.remove(GUEST)
    assert libvirt.said[-2:] == ["destroy", "undefine"]
    assert "cut off" not in capsys.readouterr().err


def test_a_guest_that_cannot_be_cut_off_fails_with_libvirts_words(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = HypervisorError("Failed to terminate process 7 with SIGKILL: Device or resource busy")
    install(monkeypatch, Libvirt(RUNNING, shutdown=RUNNING, destroy=busy))
    with pytest.raises(HypervisorError, match="Device or resource busy"):
        power.remove(GUEST)


def test_a_domain_that_somebody_else_deletes_at_that_moment_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    libvirt = Libvirt(OFF)

    def gone() -> Exception:
        libvirt.states = [None]
        return HypervisorError("failed to get domain 'gw1'")

    libvirt.effects["undefine"] = gone
    install(monkeypatch, libvirt)
    power.remove(GUEST)


def test_a_domain_that_is_still_there_after_its_deletion_failed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Libvirt(OFF, undefine=HypervisorError("cannot delete inactive domain with 2 checkpoints")))
    with pytest.raises(HypervisorError, match="2 checkpoints"):
        power.remove(GUEST)


@pytest.mark.parametrize("state", [*RUN, *PAUSED, *DEAD, *BUSY, *ENDING, *STOPPED, *ASLEEP])
def test_every_state_is_one_of_four_kinds_and_reads_as_virsh_writes_it(state: str) -> None:
    found = read_state(f"{state}\n\n")
    assert str(found) == state
    assert [found.runs, found.passes, bool(found.remedy)].count(True) == 1
    assert found.off == state.startswith("shut off")
