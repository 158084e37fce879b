"""Turning guests on and off, cleanly and with a bound."""

from __future__ import annotations

import sys
import time

from hosts.problems import HypervisorProblem
from hosts.requests import Request
from hosts.virsh import Hypervisor
from hosts.words import Said


class Guest(Request):
    """A domain, and how many seconds it may take to shut down."""

    uri: str
    domain: str
    within: float


def state(hypervisor: Hypervisor, domain: str) -> str | None:
    """As `virsh domstate` says it, such as `running` or `shut off`; None when there is no such domain."""
    try:
        return hypervisor.virsh("domstate", domain).strip()
    except HypervisorProblem as problem:
        if Said.NO_DOMAIN.within(problem):
            return None
        raise


def shut_down(guest: Guest) -> bool:
    """Ask the guest to shut down and wait until it has; False if it had not within its time and was cut off."""
    hypervisor = Hypervisor(guest.uri)
    if state(hypervisor, guest.domain) in (None, "shut off", "crashed"):
        return True
    deadline = time.monotonic() + guest.within
    asked = 0.0
    while time.monotonic() < deadline:
        if time.monotonic() - asked > 5:
            # A guest that is still starting misses the button: it is pressed again.
            _press(hypervisor, guest.domain)
            asked = time.monotonic()
        if state(hypervisor, guest.domain) in (None, "shut off"):
            return True
        time.sleep(0.3)
    print(f"{guest.domain} did not shut down within {guest.within:g} s: it is cut off.", file=sys.stderr)
    hypervisor.virsh("destroy", guest.domain, timeout=60)
    return False


def remove(guest: Guest) -> None:
    """Shut the guest down and delete its domain; nothing to do if it is gone. Its volumes stay."""
    shut_down(guest)
    hypervisor = Hypervisor(guest.uri)
    if state(hypervisor, guest.domain) is not None:
        hypervisor.virsh("undefine", guest.domain, "--nvram", "--managed-save", "--snapshots-metadata", timeout=60)


def start(hypervisor: Hypervisor, domain: str) -> None:
    """Start a domain that is shut off."""
    if state(hypervisor, domain) != "running":
        hypervisor.virsh("start", domain, timeout=60)


def _press(hypervisor: Hypervisor, domain: str) -> None:
    for mode in ("agent", "acpi"):
        try:
            hypervisor.virsh("shutdown", domain, "--mode", mode)
        except HypervisorProblem:
            continue
        return
