"""Raw copies of volumes, made by the host itself and never sent anywhere: `python -m hosts.copies copy|delete`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from xml.etree import ElementTree

from hosts.problems import Problem
from hosts.virsh import Hypervisor

_COPY_BOUND = 600
"""Seconds. An image is a few GiB, and a slow disk writes 50 MiB of them in a second."""


def copy(hypervisor: Hypervisor, pool: str, image: str, name: str) -> None:
    """Make the raw volume `name` in `pool` with the content of the volume `image`, a path.

    It stays empty where the image is: libvirt does not allocate when it converts. One of that name is what a killed
    run left, and is made again. Raises HypervisorProblem.
    """
    source = ElementTree.fromstring(hypervisor.virsh("vol-dumpxml", image))  # noqa: S314 - libvirt wrote it
    volume = ElementTree.Element("volume")
    ElementTree.SubElement(volume, "name").text = name
    ElementTree.SubElement(volume, "capacity", unit="bytes").text = source.findtext("capacity")
    ElementTree.SubElement(ElementTree.SubElement(volume, "target"), "format", type="raw")
    delete(hypervisor, pool, name)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(ElementTree.tostring(volume, encoding="unicode"))
        file.flush()
        hypervisor.virsh("vol-create-from", pool, file.name, image, timeout=_COPY_BOUND)


def delete(hypervisor: Hypervisor, pool: str, name: str) -> None:
    """Delete that volume, if it is there. Raises HypervisorProblem."""
    hypervisor.virsh("pool-refresh", pool)
    if name in {line.split()[0] for line in hypervisor.virsh("vol-list", pool).splitlines() if line.strip()}:
        hypervisor.virsh("vol-delete", name, "--pool", pool, timeout=60)


def main() -> int:
    """Carry out one command line; its exit code."""
    parser = argparse.ArgumentParser(prog="hosts.copies", description=__doc__)
    parser.add_argument("verb", choices=["copy", "delete"])
    parser.add_argument("--uri", required=True, help="libvirt connection")
    parser.add_argument("--pool", required=True, help="name of the storage pool")
    parser.add_argument("--name", required=True, help="the volume to make or delete")
    parser.add_argument("--image", help="path of the volume to copy")
    words = parser.parse_args()
    try:
        if words.verb == "copy":
            copy(Hypervisor(words.uri), words.pool, words.image, words.name)
        else:
            delete(Hypervisor(words.uri), words.pool, words.name)
    except Problem as problem:
        print(f"{words.verb} {words.name}: {problem}", file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
