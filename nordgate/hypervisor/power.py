"""Turning guests on and off, cleanly and with a bound, whatever state they are in."""

from __future__ import annotations

import sys
import time

from nordgate.errors import DomainStoppedError, HypervisorError
from nordgate.hypervisor.domain_states import Remedy, State, read_state
from nordgate.hypervisor.libvirt_messages import Said
from nordgate.hypervisor.requests import Request
from nordgate.hypervisor.virsh import Hypervisor

_LOOK_EVERY = 0.3
_PRESS_EVERY = 5.0
_HEARD_WITHIN = 5.0
"""Seconds in which a remedy shows."""
_PASSES_WITHIN = 60.0
"""Seconds that a state may last which another one follows by itself: the memory is written to a file meanwhile."""
_ENDS_WITHIN = 10.0
"""Seconds that a guest which has ended may take to be shut off."""
_ATTEMPTS = 3
"""How often a remedy is tried."""


class Guest(Request):
    """A domain, and how many seconds it may take to shut down."""

    uri: str
    domain: str
    within: float


def state(hypervisor: Hypervisor, domain: str) -> State | None:
    """The domain's state and the reason for it; None when there is no such domain."""
    try:
        return read_state(hypervisor.virsh("domstate", domain, "--reason"))
    except HypervisorError as problem:
        if Said.NO_DOMAIN.within(problem):
            return None
        raise


def bring_back(hypervisor: Hypervisor, domain: str) -> None:
    """Have the domain run, whatever state it is in.

    One that is shut off is started, one that is paused is resumed, one that sleeps is woken; one that has crashed, or
    that this does not help, is cut off and started. Raises HypervisorError with libvirt's reason when it cannot be
    started, and DomainStoppedError when there is none, or when it stays as it is.
    """
    tried: list[Remedy] = []
    words = ""
    while (now := _settled(hypervisor, domain)) is None or not now.runs:
        if now is None:
            raise DomainStoppedError(f"there is no domain {domain} at {hypervisor.label}.")
        if now.passes and not now.ends:
            raise DomainStoppedError(
                f"the domain {domain} has been {now} for {_PASSES_WITHIN:.0f} s: look on its host for what does that "
                "(`virsh domjobinfo`), and deploy when it has ended."
            )
        remedy = now.remedy or "destroy"
        if tried.count(remedy) == _ATTEMPTS and remedy in ("resume", "dompmwakeup") and now.reason != "I/O error":
            remedy = "destroy"
        if tried.count(remedy) == _ATTEMPTS:
            raise DomainStoppedError(f"the domain {domain} stays {now}, whatever is tried{words}.{_advice(now)}")
        tried.append(remedy)
        try:
            _apply(hypervisor, domain, remedy, now)
        except HypervisorError as problem:
            if remedy == "start":
                raise
            words = f": {str(problem).rstrip('.')}"


def shut_down(guest: Guest) -> bool:
    """Ask the guest to shut down and wait until it has; False if it had not within its time and was cut off.

    One that is paused or asleep goes on first, for it could neither hear nor save anything. One that cannot answer is
    not waited for.
    """
    hypervisor, domain = Hypervisor(guest.uri), guest.domain
    now = state(hypervisor, domain)
    if now and now.remedy in ("resume", "dompmwakeup"):
        try:
            _apply(hypervisor, domain, now.remedy, now)
        except HypervisorError as problem:
            print(f"{domain} is {now} and does not go on: {problem}", file=sys.stderr)
    began, pressed = time.monotonic(), 0.0
    while (now := state(hypervisor, domain)) and not now.off:
        waited = time.monotonic() - began
        if waited > guest.within or (now.ends and waited > _ENDS_WITHIN) or not (now.runs or now.passes):
            break
        if now.runs and time.monotonic() - pressed > _PRESS_EVERY:
            # A guest that is still starting misses the button: it is pressed again.
            _press(hypervisor, domain)
            pressed = time.monotonic()
        time.sleep(_LOOK_EVERY)
    if now is None or now.off or not cut_off(hypervisor, domain):
        return True
    why = f"did not shut down within {guest.within:g} s" if now.runs else f"is {now} and cannot answer"
    print(f"{domain} {why}: it has been cut off.", file=sys.stderr)
    return now.name == "crashed"  # by then there was nothing to be cut off


def cut_off(hypervisor: Hypervisor, domain: str) -> bool:
    """End a domain at once; False if there was nothing to end any more."""
    try:
        hypervisor.virsh("destroy", domain, timeout=60)
    except HypervisorError:
        # It may have stopped by itself, just now.
        if (now := state(hypervisor, domain)) is None or now.off:
            return False
        raise
    return True


def remove(guest: Guest) -> None:
    """Shut the guest down and delete its domain; nothing to do if it is gone. Its volumes stay."""
    hypervisor = Hypervisor(guest.uri)
    shut_down(guest)
    undefine(hypervisor, guest.domain)


def undefine(hypervisor: Hypervisor, domain: str) -> None:
    """Delete a domain that is shut off, with what libvirt keeps of it; nothing to do if it is gone."""
    try:
        hypervisor.virsh("undefine", domain, "--nvram", "--managed-save", "--snapshots-metadata", timeout=60)
    except HypervisorError:
        if state(hypervisor, domain) is not None:
            raise


def _settled(hypervisor: Hypervisor, domain: str) -> State | None:
    """The domain's state, once no other one follows by itself; or after a minute, as it then is."""
    end = time.monotonic() + _PASSES_WITHIN
    while (now := state(hypervisor, domain)) and now.passes and time.monotonic() < end:
        time.sleep(_LOOK_EVERY)
    return now


def _apply(hypervisor: Hypervisor, domain: str, remedy: Remedy, now: State) -> None:
    """Try one remedy for the state `now`, and wait until it shows. Raises HypervisorError when it is refused."""
    try:
        hypervisor.virsh(remedy, domain, timeout=60)
    except HypervisorError:
        # Somebody else, or the guest itself, may have been faster.
        if state(hypervisor, domain) == now:
            raise
    end = time.monotonic() + _HEARD_WITHIN
    while state(hypervisor, domain) == now and time.monotonic() < end:
        time.sleep(_LOOK_EVERY)


def _advice(now: State) -> str:
    if now.reason == "I/O error":
        return " The host's disk fails or is full: make room in the pool, then deploy again."
    return " Look at the log of its emulator on the host, /var/log/libvirt/qemu."


def _press(hypervisor: Hypervisor, domain: str) -> None:
    for mode in ("agent", "acpi"):
        try:
            hypervisor.virsh("shutdown", domain, "--mode", mode)
        except HypervisorError:
            continue
        return
