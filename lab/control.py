"""What can be done with a lab from outside: start, stop, look, run a command in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from lab import dns, entries, host
from lab.layout import BACKEND_PORTS, LABS, MIRROR_PORT, Forward, Lab
from lab.processes import named, record, recorded, start_child
from nordgate.console import Problem, phase

_CHECKOUT = Path(__file__).parents[1]
_MOUNT_POINTS = LABS / "mount-points.json"
_START_BOUND = 30.0
_RESTART_BOUND = 5.0
_ASKED = 20.0
_PORTS = {
    **{f"backend {number}": port for number, port in enumerate(BACKEND_PORTS, start=1)},
    "dns": dns.PORT,
    "package mirror": MIRROR_PORT,
    "chronyd": 123,
}
"""Where each service that `lab.host` starts listens."""
_NEEDED = ("libvirtd", "virsh", "qemu-system-x86_64", "ip", "unshare", "nsenter")


def first_process(lab: Lab) -> int | None:
    """The PID, as the machine sees it, of the lab's first process; None when the lab is not running."""
    found = recorded(lab.pid_file)
    # Its record may have been cut off while it runs on: a second lab in the same place would harm both.
    return found or (named("lab.host", lab.name) if lab.pid_file.exists() else None)


def up(lab: Lab, forwards: Sequence[Forward], upstreams: Sequence[str], chronyd: str) -> None:
    """Start the lab, or leave it alone when it already runs. A lab left by a crash keeps its volumes and restarts.

    Services of a running lab that do not answer are started again beside its guests.

    `upstreams` are the addresses that its backends answer at, besides its own.
    """
    _check_machine()
    if first_process(lab):
        # What has ended is just starting again, which guests do not notice.
        deadline = time.monotonic() + _RESTART_BOUND
        while (silent := _silent(lab)) and time.monotonic() < deadline:
            time.sleep(0.2)
        if not silent or _revived(lab, silent, chronyd):
            _answer_for(lab, upstreams)
            entries.keep(lab, forwards)
            return
        _kill(lab)
    with phase(f"Lab hypervisor {lab.name}"):
        entries.check(forwards)
        try:
            _lay_out(lab)
            _launch(lab, chronyd)
            _await(lambda: not _silent(lab), f"libvirt of lab {lab.name}", lab)
            _answer_for(lab, upstreams)
            entries.keep(lab, forwards)
        except BaseException:
            _kill(lab)
            raise


def down(lab: Lab) -> None:
    """End every process of the lab and delete its files. Harmless when there is none."""
    if not lab.root.exists():
        return
    check_root()
    with phase(f"Removing lab {lab.name}"):
        _kill(lab)
        shutil.rmtree(lab.root)
        _forget_mount_points()


def execute(lab: Lab, command: Sequence[str]) -> int:
    """Run `command` inside the lab's namespaces and return its exit code."""
    return subprocess.run([*enter(lab), *command], check=False).returncode


def enter(lab: Lab) -> list[str]:
    """The command words that run what follows them inside the lab."""
    pid = first_process(lab)
    if not pid:
        raise Problem(f'lab {lab.name} is not running: start it with "make lab-up".')
    return ["nsenter", "--target", str(pid), "--mount", "--net", "--pid", "--ipc", "--uts", "--"]


def names() -> list[str]:
    """The labs that exist, running or not."""
    return sorted(path.name for path in LABS.glob("*/") if path.is_dir()) if LABS.is_dir() else []


def guests(lab: Lab) -> list[str]:
    """The names of the domains that are defined in a running lab."""
    words = ["virsh", "-c", lab.uri, "list", "--all", "--name"]
    try:
        listing = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_ASKED)
    except subprocess.TimeoutExpired:
        raise Problem(
            f"libvirt of lab {lab.name} does not answer within {_ASKED:.0f} s; its log is {lab.log}."
        ) from None
    return listing.stdout.split()


def check_root() -> None:
    """Raise Problem where it is not root who asks."""
    if os.geteuid() != 0:
        raise Problem('the lab needs root for its namespaces and bridges: run it again with "sudo".')


def _check_machine() -> None:
    check_root()
    missing = [tool for tool in _NEEDED if not shutil.which(tool)]
    if missing:
        raise Problem(f'{", ".join(missing)} not found: run "make tools", which installs what the lab needs.')


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
    pid = start_child(wrapper, _CHECKOUT, lab.log, _START_BOUND)
    if pid is None:
        raise Problem(f"lab {lab.name} did not start; its log, {lab.log}, ends:\n{_tail(lab.log)}")
    record(lab.pid_file, pid)


def _silent(lab: Lab) -> list[str]:
    """The names of the lab's services that do not answer."""
    try:
        virsh = subprocess.run(["virsh", "-c", lab.uri, "version"], capture_output=True, check=False, timeout=_ASKED)
        silent = ["libvirtd"] if virsh.returncode else []
    except subprocess.TimeoutExpired:
        silent = ["libvirtd"]
    look = [*enter(lab), "ss", "-Hltun"]
    try:
        listening = subprocess.run(look, capture_output=True, text=True, check=False, timeout=_ASKED).stdout
    except subprocess.TimeoutExpired:
        listening = ""
    return [*silent, *(service for service, port in _PORTS.items() if f":{port} " not in listening)]


def _revived(lab: Lab, silent: Sequence[str], chronyd: str) -> bool:
    """Start these services of a lab again; its guests run on. Whether they answer now.

    Raises Problem where they do not and the lab has guests that run: to start all of it again would end them.
    """
    with phase(f"Starting {', '.join(silent)} of lab {lab.name} again"):
        commands = host.services_of(lab, chronyd)
        for service in silent:
            if service == "libvirtd":
                # One that hangs; the lab's first process starts it again.
                _kill_children(lab, "libvirtd")
            else:
                # From this checkout: the one that the lab was started from may be gone.
                # Whoever enters a mount namespace stands in its root.
                inside = ["sh", "-c", 'cd "$0" && exec "$@"', str(_CHECKOUT), *commands[service]]
                start_child([*enter(lab), *inside], _CHECKOUT, lab.log, _RESTART_BOUND)
        try:
            _await(lambda: not _silent(lab), f"{', '.join(silent)} of lab {lab.name} to answer", lab)
        except Problem as problem:
            if not _children(lab, "qemu-system"):
                return False
            raise Problem(
                f"{problem}\nThe lab is left as it is, for its guests run: mend what its log says, or end it with them "
                f"(make lab-down STACK={lab.name}-test FORCE=1)."
            ) from None
    return True


def _children(lab: Lab, name: str) -> list[int]:
    """The processes that the lab's first one looks after and whose name begins like this."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        first = first_process(lab)
        for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/comm").read_text().startswith(name[:15]):
                    found.append(int(pid))
    return found


def _kill_children(lab: Lab, name: str) -> None:
    for pid in _children(lab, name):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _answer_for(lab: Lab, addresses: Sequence[str]) -> None:
    # On lo: the kernel then answers for them on the guests' network, whenever that comes and goes.
    for address in addresses:
        subprocess.run(
            [*enter(lab), "ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True, timeout=_ASKED
        )


def _await(condition: Callable[[], bool], what: str, lab: Lab) -> None:
    deadline = time.monotonic() + _START_BOUND
    while not condition():
        if time.monotonic() > deadline:
            raise Problem(f"waited {_START_BOUND:.0f} s for {what}; its log, {lab.log}, ends:\n{_tail(lab.log)}")
        time.sleep(0.1)


def _kill(lab: Lab) -> None:
    """Kill the lab's first process; the kernel then ends all others of its PID namespace before it is gone."""
    pid = first_process(lab)
    if pid:
        os.kill(pid, signal.SIGKILL)
        _await(lambda: first_process(lab) is None, f"lab {lab.name} to end", lab)
    lab.pid_file.unlink(missing_ok=True)


def _tail(path: Path) -> str:
    return "\n".join(path.read_text().splitlines()[-10:]) if path.exists() else "(empty)"
