"""Flat roots: raw copies of an image, made by the host itself and never sent anywhere."""

from __future__ import annotations

import tempfile
from xml.etree import ElementTree

from nordgate.hypervisor.pools import Volume, delete
from nordgate.hypervisor.virsh import Hypervisor

_COPY_BOUND = 600
"""Seconds. An image is a few GiB, and a slow disk writes 50 MiB of them in a second."""


class Copy(Volume):
    """The volume has the content of the volume at the path `image`."""

    image: str


def copy(wanted: Copy) -> None:
    """Make the volume. One of that name is what a killed run left, and is made again. Raises HypervisorError.

    It stays empty where the image is: libvirt does not allocate when it converts.
    """
    hypervisor = Hypervisor(wanted.uri)
    source = ElementTree.fromstring(hypervisor.virsh("vol-dumpxml", wanted.image))  # noqa: S314 - libvirt wrote it
    volume = ElementTree.Element("volume")
    ElementTree.SubElement(volume, "name").text = wanted.name
    ElementTree.SubElement(volume, "capacity", unit="bytes").text = source.findtext("capacity")
    ElementTree.SubElement(ElementTree.SubElement(volume, "target"), "format", type="raw")
    hypervisor.refresh_pool(wanted.pool)
    delete(wanted)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(ElementTree.tostring(volume, encoding="unicode"))
        file.flush()
        hypervisor.virsh("vol-create-from", wanted.pool, file.name, wanted.image, timeout=_COPY_BOUND)
