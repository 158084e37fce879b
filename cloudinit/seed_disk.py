"""The seed disk: the documents as a small disk whose one partition cloud-init's NoCloud source finds by its label.

Not made by the provider's cloud-init resource: that one reads the disk back at every refresh by a stream that now
and then ends early or hangs. And not a bare ISO image: libvirt would call its format `iso`, which the provider takes
for a change.
"""

from __future__ import annotations

import struct
from io import BytesIO

from cloudinit.documents import SeedDocuments

LABEL = "cidata"
_START = 1 << 20
_SECTOR = 512
# In the words of the partition table: an ordinary file system, anywhere on the disk.
_KIND, _ANYWHERE = 0x17, b"\xfe\xff\xff"


def seed_disk(documents: SeedDocuments) -> bytes:
    """The disk, to be attached to the guest as any other. Two of the same documents differ in time stamps only."""
    from pycdlib import PyCdlib  # only those who write disks need it, and it is slow to import

    image = PyCdlib()
    image.new(vol_ident=LABEL, rock_ridge="1.09", joliet=3)
    for name, text in (
        ("meta-data", documents.meta_data),
        ("network-config", documents.network_config),
        ("user-data", documents.user_data),
    ):
        content = text.encode()
        short = name.replace("-", "_").upper()[:8] + ".;1"
        image.add_fp(BytesIO(content), len(content), f"/{short}", rr_name=name, joliet_path=f"/{name}")
    partition = BytesIO()
    image.write_fp(partition)
    image.close()
    return _partition_table(len(partition.getvalue())).ljust(_START, b"\0") + partition.getvalue()


def _partition_table(size: int) -> bytes:
    entry = struct.pack("<B3sB3sII", 0, _ANYWHERE, _KIND, _ANYWHERE, _START // _SECTOR, size // _SECTOR)
    return b"\0" * 446 + entry.ljust(64, b"\0") + b"\x55\xaa"
