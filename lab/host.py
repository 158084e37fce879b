"""The first process inside a lab's namespaces: lays the mounts, starts the services, keeps them running.

Started by `lab.control`, as PID 1 of the lab's PID namespace; whatever it leaves behind dies with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from lab.layout import BACKEND_PORTS, MIRROR_PORT, Lab
from lab.package_mirror import SERVED

_RESTART_PAUSE = 0.5
"""Seconds before a service that ended is started again."""
_LONGEST_PAUSE = 60.0
_AT_ONCE = 10.0
"""Seconds: what has run for less is started again less and less often."""
_LOOK_EVERY = 0.25
_BOUND = 20
"""Seconds for a command that prepares the lab."""


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, timeout=_BOUND)


def _prepare(lab: Lab) -> None:
    # sysfs shows the network devices of the namespace that mounted it: libvirt reads its bridges there.
    _mount("-t", "sysfs", "sysfs", "/sys")
    _mount("-t", "tmpfs", "-o", "mode=755,size=64m", "tmpfs", "/run")
    # libvirt locks a serial console there while someone watches it.
    Path("/run/lock").mkdir()
    for target, source in lab.mounts.items():
        _mount("--bind", str(source), str(target))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=_BOUND)
    subprocess.run(["hostname", f"lab-{lab.name}"], check=True, timeout=_BOUND)


def services_of(lab: Lab, chronyd: str) -> dict[str, list[str]]:
    """By name, the command of each service, for the working directory of a checkout."""
    services = {
        "libvirtd": ["libvirtd", "--config", str(lab.root / "etc" / "libvirtd.conf")],
        # -x: never touch the clock, which is the machine's.
        "chronyd": [chronyd, "-d", "-x", "-u", "root", "-f", str(lab.root / "chrony" / "chrony.conf")],
    }
    for number, port in enumerate(BACKEND_PORTS, start=1):
        services[f"backend {number}"] = [sys.executable, "-m", "lab.backend", f"backend-{number}", str(port)]
    services["dns"] = [sys.executable, "-m", "lab.dns"]
    services["package mirror"] = [
        *(sys.executable, "-m", "http.server", str(MIRROR_PORT)),
        *("--directory", str(SERVED), "--protocol", "HTTP/1.1"),
    ]
    return services


def keep_running(services: Mapping[str, list[str]]) -> NoReturn:
    """Start each service, and again whenever it ends: soon, and less and less often when it ends at once.

    Nothing that becomes of a service ends this process: the lab's guests would end with it.
    """
    # The objects are kept: Popen reaps those that were dropped, and their end would never be seen below.
    running: dict[int, tuple[str, float, subprocess.Popen[bytes]]] = {}
    due = dict.fromkeys(services, 0.0)
    pauses = dict.fromkeys(services, _RESTART_PAUSE)
    while True:
        now = time.monotonic()
        for service in [service for service, when in due.items() if when <= now]:
            del due[service]
            try:
                process = subprocess.Popen(services[service], stdin=subprocess.DEVNULL)
                running[process.pid] = (service, now, process)
            except OSError as error:
                # The checkout that it comes from may be gone; `make up` of another one starts it from there.
                print(f"{service} cannot be started: {error}", flush=True)
                due[service] = now + _LONGEST_PAUSE
        for pid, status in _ended():
            # Guests are re-parented to this process too: theirs are the PIDs that `running` does not know.
            if pid in running:
                service, since, _ = running.pop(pid)
                pause = min(_LONGEST_PAUSE, 2 * pauses[service]) if now - since < _AT_ONCE else _RESTART_PAUSE
                print(f"{service} ended with status {status}; starting it again in {pause:g} s", flush=True)
                due[service], pauses[service] = now + pause, pause
        time.sleep(_LOOK_EVERY)


def _ended() -> Iterator[tuple[int, int]]:
    """The processes below this one that have ended since it looked last, and how."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def main(name: str, chronyd: str) -> None:
    """Run the lab until killed."""
    lab = Lab(name)
    _prepare(lab)
    keep_running(services_of(lab, chronyd))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(Path(__file__).parents[1])
    main(sys.argv[1], sys.argv[2])
