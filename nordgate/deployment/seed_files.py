"""The file of a gateway's seed disk, where Pulumi takes it from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cloudinit.seed_disk import seed_disk
from nordgate.design.gateway_design import GatewayDesign

_FOLDER = Path(".nordgate/seeds")


def write_seed(design: GatewayDesign, project: Path) -> str:
    """Write the disk, unless a run before has; its path, relative to the project."""
    # Comments are not in the mark, and a guest that is made anew has those of today.
    written = hashlib.sha256(design.seed.user_data.encode()).hexdigest()[:8]
    path = _FOLDER / f"{design.domain}-{design.mark}-{written}.raw"
    target = project / path
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{os.getpid()}.tmp")
        draft.write_bytes(seed_disk(design.seed))
        draft.replace(target)
    return str(path)
