"""A data volume that grows: the guest's device and the file system follow, however often that was cut off."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from nordgate.errors import AgentError, AgentSilentError, HypervisorError, NordgateError
from nordgate.hypervisor import volumes
from nordgate.hypervisor.agent import Completed, GuestAgent
from nordgate.hypervisor.host_commands import HostCommands
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


SILENT = AgentSilentError("the guest agent of gw1 does not answer: not connected.")


@pytest.mark.parametrize(
    "answer",
    [SILENT, AgentError("the guest agent of gw1 refuses guest-exec: disabled."), Completed(1, b"", b"no space\n")],
)
def test_an_agent_that_does_not_grow_the_file_system_fails_the_deployment_each_time(
    guest: Guest, answer: Completed | Exception
) -> None:
    for size in (128 * MIB, 192 * MIB, 192 * MIB):
        guest(size, RUNNING, answer)
        with pytest.raises(NordgateError) as caught:
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
    with pytest.raises(NordgateError, match="a data volume is never shrunk"):
        volumes.grow(VOLUME)
    assert changes(libvirt) == []


@pytest.fixture
def group(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """As `guest`, with the volume in a volume group of 32 MiB extents; what its host was told to run, or refuses."""

    def there(size: int, refuses: bool = False) -> list[str]:
        _, _ = guest(size, RUNNING)
        usual = Hypervisor.virsh
        ran: list[str] = []

        def virsh(self: Hypervisor, verb: str, *words: str, **bound: float) -> str:
            assert verb != "vol-resize", "storage pool does not support changing of volume capacity"
            ran.extend(words[2:] if verb == "blockresize" else [])
            return "/dev/fast/gw1-data.raw\n" if verb == "vol-path" else usual(self, verb, *words, **bound)

        def run(_: HostCommands, command: list[str], **__: float) -> str:
            if refuses:
                raise HypervisorError("sh on h1 failed with code 1: sudo: a password is required.")
            ran.append(" ".join(command[-2:]))
            extents = -(-int(command[-2].removesuffix("b")) // (32 * MIB))
            xml = ElementTree.fromstring(f"<volume><capacity>{extents * 32 * MIB}</capacity></volume>")
            monkeypatch.setattr(Hypervisor, "volume", lambda *_: xml)
            return ""

        monkeypatch.setattr(Hypervisor, "virsh", virsh)
        monkeypatch.setattr(HostCommands, "run", run)
        return ran

    return there


def test_a_logical_volume_is_grown_by_lvm_and_the_guest_sees_all_that_it_has(group: Callable[..., list[str]]) -> None:
    ran = group(128 * MIB)
    volumes.grow(VOLUME.model_copy(update={"bytes": 200 * MIB}))
    assert ran == [f"{200 * MIB}b /dev/fast/gw1-data.raw", f"{224 * MIB}B"]


def test_a_logical_volume_that_lvm_has_rounded_up_is_as_declared(group: Callable[..., list[str]]) -> None:
    ran = group(224 * MIB)
    volumes.grow(VOLUME.model_copy(update={"bytes": 200 * MIB}))
    assert ran == [f"{224 * MIB}B"]


def test_where_lvm_may_not_be_asked_the_command_is_told(group: Callable[..., list[str]]) -> None:
    group(128 * MIB, refuses=True)
    with pytest.raises(NordgateError) as caught:
        volumes.grow(VOLUME)
    assert "a password is required. As root on that host: " in str(caught.value)
    assert f"`lvextend --size {192 * MIB}b /dev/fast/gw1-data.raw`. Then deploy again" in str(caught.value)
