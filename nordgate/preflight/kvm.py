"""Whether KVM really runs guests: a small domain that must speak, because a /dev/kvm that exists can still hang one.

The domain has no disk and no network card. Its firmware, SeaBIOS, sets the machine up, waits on its timers, and writes
to the serial console that there is nothing to boot: guest code was executed from the first instruction to the last.
libvirt ends the domain with the connection that made it, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import tempfile
import time
from xml.sax.saxutils import escape, quoteattr

from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.preflight.demands import Finding, State

BOUND = 15.0
"""Seconds until a domain that does not say it counts as hung; a KVM host needs one or two."""

_SPOKEN = b"No bootable device"
_WANTED = "guest code that runs"
_DOMAIN = """\
<domain type={accelerator}>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><bios useserial='yes' rebootTimeout='1000'/></os>
  <features><acpi/></features>
  <cpu mode={cpu_mode} check='none'/>
  <devices>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def boots(hypervisor: Hypervisor, name: str, accelerator: str, cpu_mode: str, bound: float = BOUND) -> Finding:
    """Start a transient domain `name` with the accelerator and processor of the guests, and wait for its last words.

    `name` must be no other domain's. A restart of the firmware every second repeats the words, so that none is missed.
    """
    xml = _DOMAIN.format(accelerator=quoteattr(accelerator), cpu_mode=quoteattr(cpu_mode), name=escape(name))
    started = time.monotonic()
    with tempfile.NamedTemporaryFile("w", prefix="nordgate-kvm-", suffix=".xml") as file:
        file.write(xml)
        file.flush()
        try:
            said, ended = _listen(hypervisor, file.name, bound)
        except HypervisorError as problem:
            return Finding(f"{accelerator} boots", str(problem), _WANTED, State.FAIL)
    took = time.monotonic() - started
    if _SPOKEN in said:
        return Finding(f"{accelerator} boots", f"firmware ran through in {took:.1f} s", _WANTED, State.OK)
    found = _reason(said) if ended else f"a guest whose firmware did not run through within {bound:.0f} s"
    return Finding(f"{accelerator} boots", found, _WANTED, State.FAIL)


def _listen(hypervisor: Hypervisor, file: str, bound: float) -> tuple[bytes, bool]:
    """What `virsh create --console` prints until the firmware speaks, and whether it ended by itself before."""
    command, environment = hypervisor.command("create", file, "--console", "--autodestroy")
    ours, terminal = pty.openpty()  # virsh leads to a console only from a terminal
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
    except FileNotFoundError:
        os.close(ours)
        raise HypervisorError("virsh is not on PATH: install the package libvirt-clients.") from None
    finally:
        os.close(terminal)
    said, ended, end = b"", False, time.monotonic() + bound
    try:
        while _SPOKEN not in said and not ended and time.monotonic() < end:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                part = os.read(ours, 4096)
            except OSError:  # the terminal's other side is closed: virsh has ended
                part = b""
            said, ended = said + part, not part
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        os.close(ours)
    return said, ended


def _reason(said: bytes) -> str:
    """QEMU's or libvirt's last complaint."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if "error" in line.lower()]
    return (lines[-1] if lines else "virsh ended without a word").removeprefix("error: ").rstrip(".")
