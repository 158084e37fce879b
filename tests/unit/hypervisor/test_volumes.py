"""A data volume that grows: the guest's device and the file system follow, however often that was cut off."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from nordgate.errors import AgentProblem, AgentSilent, Problem
from nordgate.hypervisor import volumes
from nordgate.hypervisor.agent import Completed, GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from tests.unit.hypervisor.libvirt import OFF, RUNNING, Libvirt, install

MIB = 1 << 20
VOLUME = volumes.DataVolume(uri="test:///default", pool="p", name="gw1-data.raw", bytes=192 * MIB, domain="gw1")
Guest = Callable[..., tuple[Libvirt, list[str]]]


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> Guest:
    """Sets the host's volume, the domain's state, and what the agent answers in turn; the last one stays."""

    def there(size: int, state: str | list[str] | None, *answers: Completed | Exception) -> tuple[Libvirt, list[str]]:
        libvirt, asked, left = install(monkeypatch, Libvirt(state)), [], list(answers or [Completed(0, b"", b"")])
        xml = ElementTree.fromstring(f"<volume><capacity>{size}</capacity></volume>")

        def execute(_: GuestAgent, command: list[str], **__: float) -> Completed:
            asked.append(command[-1])
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(Hypervisor, "volume", lambda *_: xml)
        monkeypatch.setattr(GuestAgent, "exec", execute)
        return libvirt, asked

    return there


def changes(libvirt: Libvirt) -> list[str]:
    return [verb for verb in libvirt.said if verb not in ("pool-refresh", "vol-path")]


def test_volume_device_and_file_system_grow_one_after_the_other(guest: Guest) -> None:
    libvirt, asked = guest(128 * MIB, RUNNING)
    volumes.grow(VOLUME)
    assert changes(libvirt) == ["vol-resize", "blockresize"]
    assert len(asked) == 1
    assert "resize2fs" in asked[0]


def test_a_run_that_was_cut_off_after_the_resize_is_completed_by_the_next(guest: Guest) -> None:
    """The volume has its size already: device and file system are made to follow all the same."""
    libvirt, asked = guest(192 * MIB, RUNNING)
    volumes.grow(VOLUME)
    assert changes(libvirt) == ["blockresize"]
    assert len(asked) == 1


SILENT = AgentSilent("the guest agent of gw1 does not answer: not connected.")


@pytest.mark.parametrize(
    "answer",
    [SILENT, AgentProblem("the guest agent of gw1 refuses guest-exec: disabled."), Completed(1, b"", b"no space\n")],
)
def test_an_agent_that_does_not_grow_the_file_system_fails_the_deployment_each_time(
    guest: Guest, answer: Completed | Exception
) -> None:
    for size in (128 * MIB, 192 * MIB, 192 * MIB):
        guest(size, RUNNING, answer)
        with pytest.raises(Problem) as caught:
            volumes.grow(VOLUME)
        words = str(answer) if isinstance(answer, Exception) else "no space"
        assert str(caught.value).startswith("gw1-data.raw has 192 MiB now, and the guest does not use all of it yet: ")
        assert words in str(caught.value)
        assert "`make stop`, `make start`" in str(caught.value)


def test_an_agent_that_starts_meanwhile_is_waited_for(guest: Guest) -> None:
    libvirt, asked = guest(128 * MIB, RUNNING, SILENT, SILENT, Completed(0, b"", b""))
    volumes.grow(VOLUME)
    assert len(asked) == 3
    assert libvirt.now < 5


@pytest.mark.parametrize("state", [OFF, "shut off (crashed)", "crashed (panicked)", None])
def test_a_guest_that_does_not_run_grows_its_file_system_when_it_boots(guest: Guest, state: str | None) -> None:
    libvirt, asked = guest(128 * MIB, state)
    volumes.grow(VOLUME)
    assert changes(libvirt) == ["vol-resize"]
    assert not asked


@pytest.mark.parametrize(("state", "remedy"), [("paused (user)", "resume"), ("pmsuspended", "dompmwakeup")])
def test_a_guest_that_goes_on_later_sees_its_new_size_too(guest: Guest, state: str, remedy: str) -> None:
    libvirt, asked = guest(128 * MIB, state)
    volumes.grow(VOLUME)
    assert changes(libvirt) == ["vol-resize", remedy, "blockresize"]
    assert len(asked) == 1


def test_a_guest_that_stops_meanwhile_is_no_problem(guest: Guest) -> None:
    guest(128 * MIB, [RUNNING, OFF], SILENT)
    volumes.grow(VOLUME)


def test_a_volume_is_never_shrunk(guest: Guest) -> None:
    libvirt, _ = guest(256 * MIB, RUNNING)
    with pytest.raises(Problem, match="a data volume is never shrunk"):
        volumes.grow(VOLUME)
    assert changes(libvirt) == []
