"""What can be done with a lab from outside: start, stop, look, run a command in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab import port_forwards
from lab.inside import first_process
from lab.layout import LABS, Forward, Lab
from lab.processes import record, start_child
from lab.services import (
    COMMAND_TIMEOUT,
    RESTART_TIMEOUT,
    START_TIMEOUT,
    add_upstream_addresses,
    end,
    restart_services,
    silent_services,
    tail,
    wait_until,
)
from nordgate.console import phase
from nordgate.errors import NordgateError

_CHECKOUT = Path(__file__).parents[1]
_MOUNT_POINTS = LABS / "mount-points.json"
_NEEDED = ("libvirtd", "virsh", "qemu-system-x86_64", "ip", "unshare", "nsenter")


def up(lab: Lab, forwards: Sequence[Forward], upstreams: Sequence[str], chronyd: str) -> None:
    """Start the lab, or leave it alone when it already runs. A lab left by a crash keeps its volumes and restarts.

    Services of a running lab that do not answer are started again beside its guests.

    `upstreams` are the addresses that its backends answer at, besides its own.
    """
    _check_machine()
    if first_process(lab):
        # What has ended is just starting again, which guests do not notice.
        deadline = time.monotonic() + RESTART_TIMEOUT
        while (silent := silent_services(lab)) and time.monotonic() < deadline:
            time.sleep(0.2)
        if not silent or restart_services(lab, silent, chronyd):
            add_upstream_addresses(lab, upstreams)
            port_forwards.keep(lab, forwards)
            return
        end(lab)
    with phase(f"Lab hypervisor {lab.name}"):
        port_forwards.check(forwards)
        try:
            _lay_out(lab)
            _launch(lab, chronyd)
            wait_until(lambda: not silent_services(lab), f"libvirt of lab {lab.name}", lab)
            add_upstream_addresses(lab, upstreams)
            port_forwards.keep(lab, forwards)
        except BaseException:
            end(lab)
            raise


def down(lab: Lab) -> None:
    """End every process of the lab and delete its files. Harmless when there is none."""
    if not lab.root.exists():
        return
    check_root()
    with phase(f"Removing lab {lab.name}"):
        end(lab)
        shutil.rmtree(lab.root)
        _forget_mount_points()


def names() -> list[str]:
    """The labs that exist, running or not."""
    return sorted(path.name for path in LABS.glob("*/") if path.is_dir()) if LABS.is_dir() else []


def guests(lab: Lab) -> list[str]:
    """The names of the domains that are defined in a running lab."""
    words = ["virsh", "-c", lab.uri, "list", "--all", "--name"]
    try:
        listing = subprocess.run(words, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise NordgateError(
            f"libvirt of lab {lab.name} does not answer within {COMMAND_TIMEOUT:.0f} s; its log is {lab.log}."
        ) from None
    return listing.stdout.split()


def check_root() -> None:
    """Raise NordgateError where it is not root who asks."""
    if os.geteuid() != 0:
        raise NordgateError('the lab needs root for its namespaces and bridges: run it again with "sudo".')


def _check_machine() -> None:
    check_root()
    missing = [tool for tool in _NEEDED if not shutil.which(tool)]
    if missing:
        raise NordgateError(f'{", ".join(missing)} not found: run "make tools", which installs what the lab needs.')


def _lay_out(lab: Lab) -> None:
    for folder in lab.folders:
        folder.mkdir(parents=True, exist_ok=True)
    for path, text in lab.configuration().items():
        path.write_text(text)
    missing = [str(path) for path in lab.mounts if not path.exists()]
    if missing:
        draft = _MOUNT_POINTS.with_suffix(".new")
        draft.write_text(json.dumps(sorted({*_mount_points(), *missing})))
        draft.replace(_MOUNT_POINTS)
        for mount_point in missing:
            Path(mount_point).mkdir()


def _mount_points() -> list[str]:
    """The folders that were made to mount on. A list that was cut off is forgotten: empty folders stay, and no more."""
    with suppress(OSError, ValueError):
        found = json.loads(_MOUNT_POINTS.read_bytes())
        return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []
    return []


def _forget_mount_points() -> None:
    """Remove the folders that labs were mounted on, once no lab is left; what is gone or in use by now stays so."""
    if names():
        return
    for path in _mount_points():
        with suppress(OSError):
            Path(path).rmdir()
    _MOUNT_POINTS.unlink(missing_ok=True)
    for folder in (LABS, LABS.parent):
        if not any(folder.iterdir()):
            folder.rmdir()


def _launch(lab: Lab, chronyd: str) -> None:
    wrapper = [
        "unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL", "--mount-proc",
        sys.executable, "-m", "lab.host", lab.name, chronyd,
    ]  # fmt: skip
    pid = start_child(wrapper, _CHECKOUT, lab.log, START_TIMEOUT)
    if pid is None:
        raise NordgateError(f"lab {lab.name} did not start; its log, {lab.log}, ends:\n{tail(lab.log)}")
    record(lab.pid_file, pid)
