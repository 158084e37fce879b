"""What a running test stack is, as its host and its guest show it: comparable from one making to the next."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from nordgate.design.gateway_design import designs
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.settings.loader import load_file
from tests.e2e.project import Project


def identity(project: Project) -> dict[str, Any]:
    """Addresses, URLs, names, UUIDs, MAC addresses, the domain, and hashes of the seed disk and the guest's files."""
    folder = Path(f"/var/lib/nordgate/lab/{project.lab}")
    hypervisor = Hypervisor(f"qemu:///system?socket={folder}/run/libvirt-sock")
    (gateway,) = designs(load_file(project.folder, project.stack), project.stack, project.folder)
    pool = f"nordgate-{project.stack}"
    # What is kept, not what runs: numbers of terminals and network cards are the running guest's alone.
    domain = ElementTree.fromstring(hypervisor.virsh("dumpxml", gateway.domain, "--inactive"))
    running = ElementTree.fromstring(hypervisor.virsh("dumpxml", gateway.domain))
    hashed = GuestAgent(hypervisor, gateway.domain).exec(["/usr/bin/sha256sum", *gateway.seed.files])
    assert hashed.exit_code == 0, hashed.stderr
    volumes = sorted(line.split()[0] for line in hypervisor.virsh("vol-list", pool).splitlines())
    (seed,) = (name for name in volumes if "-seed-" in name)
    outputs = project.outputs()
    return {
        "addresses": outputs["addresses"],
        "urls": outputs["urls"],
        "image": outputs["image"],
        "UUIDs": {
            "domain": running.findtext("uuid"),
            "pool": hypervisor.virsh("pool-uuid", pool).strip(),
            "network": hypervisor.virsh("net-uuid", pool).strip(),
        },
        "MAC addresses": [card.get("address") for card in running.iterfind("devices/interface/mac")],
        "domain": ElementTree.canonicalize(ElementTree.tostring(domain), strip_text=True),
        "volumes": volumes,
        "seed disk": hashlib.sha256((folder / "pool" / seed).read_bytes()).hexdigest(),
        "files in the guest": hashed.stdout.decode(),
    }
