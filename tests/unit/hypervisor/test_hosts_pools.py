"""A pool that is being written to."""

from __future__ import annotations

import pytest

from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor

BUSY = "internal error: pool 'sample' has asynchronous jobs running."


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[tuple[str, ...]]:
    """What libvirt is asked from now on; it fails with each of `answers` in turn, and then no more."""
    asked: list[tuple[str, ...]] = []

    def virsh(_: Hypervisor, *words: str, **__: float) -> str:
        asked.append(words)
        if len(asked) <= len(answers):
            raise HypervisorError(answers[len(asked) - 1])
        return ""

    monkeypatch.setattr(Hypervisor, "virsh", virsh)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return asked


def test_a_pool_is_looked_at_again_when_its_volumes_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, BUSY, BUSY)
    Hypervisor("qemu:///system").refresh_pool("sample")
    assert asked == [("pool-refresh", "sample")] * 3


def test_a_pool_that_stays_busy_is_a_problem_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, BUSY, BUSY)
    with pytest.raises(HypervisorError, match="asynchronous jobs running"):
        Hypervisor("qemu:///system").refresh_pool("sample", within=-1)


def test_any_other_problem_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, "failed to get pool 'sample'")
    with pytest.raises(HypervisorError, match="failed to get pool"):
        Hypervisor("qemu:///system").refresh_pool("sample")
    assert len(asked) == 1
