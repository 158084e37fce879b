"""Machines to try, and what libvirt's XML is made from them by the provider and by the stylesheet."""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from nordgate.machine import PROFILES, Machine, Pinning, Profile, domain_stylesheet

BASE = Path(__file__).parents[3] / "nordgate" / "machine" / "base"
WAYS = ("network", "bridge", "macvtap")
PINNING = Pinning(cpus=(4, 5, 6, 7), emulator=(0, 1), iothreads=(2, 3), node=0)


def machine(profile: str = "balanced", **changed: Any) -> Machine:
    """A machine of that profile with four processors and 4 GiB; `changed` are fields of Machine or of its profile."""
    own = {field.name for field in dataclasses.fields(Machine)}
    fields = {name: value for name, value in changed.items() if name not in own}
    chosen = Profile.model_validate(PROFILES[profile].model_dump() | fields)  # type: ignore[index]
    arguments: dict[str, Any] = {
        "uuid": "3f6b3a54-3c52-5a7e-9a33-0c4f2bde3a10",
        "mac": "52:54:00:12:34:56",
        "vcpus": 4,
        "memory": 4 << 30,
        "console_log": "/logs/gw1.log",
        "pool_path": "/srv/pool",
        "data_path": "/srv/pool/base-test-gw1-data.raw",
        "data_serial": "nordgate-data",
        "seed_serial": "nordgate-seed",
        "pinning": PINNING if chosen.pinned else None,
    }
    return Machine(chosen, **(arguments | {name: value for name, value in changed.items() if name in own}))


EVERYTHING = machine(
    "latency",
    machine_type="pc-q35-7.1",
    boot_order=("root", "network"),
    threads_per_core=2,
    disabled_cpu_features=("avx512f", "hle"),
    hugepages="2MiB",
    iothread_mapping=True,
    disk_io="io_uring",
    disk_discard="ignore",
    network_queues=2,
    nvme_controller="0000:65:00.0",
)
SAMPLES = {
    "portable": machine("portable"),
    "balanced": machine(),
    "latency": machine("latency"),
    "everything": EVERYTHING,
}


def provider_document(made: Machine, way: str = "network") -> str:
    """What the provider writes for that machine: the captured document, with the few arguments that it was given."""
    domain = ElementTree.parse(BASE / f"domain-{way}.xml").getroot()
    domain.set("type", made.profile.accelerator)
    for path, value in (("memory", str(made.memory >> 20)), ("vcpu", str(made.vcpus))):
        found = domain.find(path)
        assert found is not None
        found.text = value
    root = "raw" if made.profile.root == "flat" else "qcow2"
    for path, name, value in (
        ("os/type", "machine", _canonical(made.profile.machine_type)),
        ("cpu", "mode", made.profile.cpu_mode),
        ("devices/interface/mac", "address", made.mac),
        ("devices/disk/driver", "type", root),
    ):
        found = domain.find(path)
        assert found is not None
        found.set(name, value)
    return ElementTree.tostring(domain, encoding="unicode")


def _canonical(machine_type: str) -> str:
    return "pc-q35-7.2" if machine_type == "q35" else machine_type


def xsltproc(stylesheet: str, document: str) -> str:
    """Through the engine that the provider runs, with the provider's own options."""
    with tempfile.TemporaryDirectory() as folder:
        sheet, source = Path(folder) / "sheet.xslt", Path(folder) / "document.xml"
        sheet.write_text(stylesheet)
        source.write_text(document)
        command = ["xsltproc", "--nomkdir", "--nonet", "--nowrite", str(sheet), str(source)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def domain_xml(made: Machine, way: str = "network") -> str:
    """What libvirt is given for that machine."""
    return xsltproc(domain_stylesheet(made), provider_document(made, way))
