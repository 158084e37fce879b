"""The first process inside a lab's namespaces: lays the mounts, starts the services, keeps them running.

Started by `tools.lab.control`, as PID 1 of the lab's PID namespace; whatever it leaves behind dies with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.lab.layout import BACKEND_PORTS, MIRROR_PORT, Lab
from tools.mirror import SERVED

_RESTART_PAUSE = 0.5
_BOUND = 20
"""Seconds before a service that ended is started again."""


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


def _services(lab: Lab, chronyd: str) -> dict[str, list[str]]:
    services = {
        "libvirtd": ["libvirtd", "--config", str(lab.root / "etc" / "libvirtd.conf")],
        # -x: never touch the clock, which is the machine's.
        "chronyd": [chronyd, "-d", "-x", "-u", "root", "-f", str(lab.root / "chrony" / "chrony.conf")],
    }
    for number, port in enumerate(BACKEND_PORTS, start=1):
        services[f"backend {number}"] = [sys.executable, "-m", "tools.lab.backend", f"backend-{number}", str(port)]
    services["dns"] = [sys.executable, "-m", "tools.lab.dns"]
    services["package mirror"] = [
        *(sys.executable, "-m", "http.server", str(MIRROR_PORT)),
        *("--directory", str(SERVED), "--protocol", "HTTP/1.1"),
    ]
    return services


def main(name: str, chronyd: str) -> None:
    """Run the lab until killed."""
    lab = Lab(name)
    _prepare(lab)
    services = _services(lab, chronyd)
    # The objects are kept: Popen reaps those that were dropped, and their end would never be seen below.
    running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}

    def start(service: str) -> None:
        process = subprocess.Popen(services[service], stdin=subprocess.DEVNULL)
        running[process.pid] = (service, process)

    for service in services:
        start(service)
    while True:
        # Guests are re-parented to this process too: theirs are the PIDs that `running` does not know.
        pid, status = os.wait()
        if pid in running:
            service, _ = running.pop(pid)
            print(f"{service} ended with status {status}; starting it again", flush=True)
            time.sleep(_RESTART_PAUSE)
            start(service)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(Path(__file__).parents[2])
    main(sys.argv[1], sys.argv[2])
