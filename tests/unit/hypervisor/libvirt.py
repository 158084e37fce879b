"""A libvirt for tests: one domain with its state, and what virsh's commands make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor

OFF, RUNNING = "shut off (destroyed)", "running (booted)"


class Libvirt:
    """The one domain is in `state`, or in each of a list of states, one per look; the last one stays.

    `effects` says by command what state it leads to, or that it fails with that problem; a function decides anew.
    """

    def __init__(self, state: str | list[str] | None, **effects: str | Exception | Callable[[], Any]) -> None:
        self.states: list[str | None] = list(state) if isinstance(state, list) else [state]
        usual: Mapping[str, Any] = {"start": RUNNING, "resume": RUNNING, "dompmwakeup": RUNNING, "destroy": OFF}
        self.effects = {**usual, "shutdown": "shut off (shutdown)", "undefine": None, **effects}
        self.said: list[str] = []
        """The commands that change something, in order."""
        self.now = 0.0

    def virsh(self, _: Hypervisor, verb: str, *__: str, **___: float) -> str:
        """What takes the place of Hypervisor.virsh."""
        if verb == "domstate":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            if state is None:
                raise HypervisorError("failed to get domain 'gw1'")
            return f"{state}\n\n"
        self.said.append(verb)
        effect = self.effects.get(verb, "")
        if callable(effect):
            effect = effect()
        if isinstance(effect, Exception):
            raise effect
        if verb in self.effects:
            self.states = [effect]
        return ""

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def install(monkeypatch: pytest.MonkeyPatch, libvirt: Libvirt) -> Libvirt:
    """Have it answer from now on. Time passes only while somebody sleeps."""
    monkeypatch.setattr(Hypervisor, "virsh", lambda *words, **bound: libvirt.virsh(*words, **bound))
    monkeypatch.setattr("time.sleep", libvirt.sleep)
    monkeypatch.setattr("time.monotonic", lambda: 1000 + libvirt.now)
    return libvirt
