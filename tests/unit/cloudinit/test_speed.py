"""What the package costs in processor time, as a multiple of what its libraries cost on the same machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROCESSES = 3
# Processor time grows by half while others empty the caches, and not for all processes alike: one calm round is enough.
ROUNDS = 5
LIBRARIES = "import jinja2, yaml\nfrom pydantic import BaseModel, TypeAdapter"
IMPORT = "import cloudinit"
FIRST_GATEWAY = """
from tests.unit.cloudinit.samples import GATEWAY, GUEST
from cloudinit import PLATFORMS, GatewaySettings, GuestSettings, seed_documents
---
guest, gateway = GuestSettings.model_validate(GUEST), GatewaySettings.model_validate(GATEWAY)
assert seed_documents(guest, gateway, PLATFORMS["debian-13"]).files
"""


def seconds(program: str, compiled: Path) -> float:
    """The processor time of what stands after the line `---`, in a new process that finds its modules compiled."""
    before, _, measured = program.rpartition("---\n")
    timed = f"{before}\nimport time\nt = time.process_time()\n{measured}\nprint(time.process_time() - t)"
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return float(subprocess.check_output([sys.executable, "-c", timed], text=True, env=environment))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "most"), [(IMPORT, 2.5), (FIRST_GATEWAY, 0.2)], ids=["the import", "the first gateway of a process"]
)
def test_it_is_quick(program: str, most: float, compiled: Path) -> None:
    for one in (LIBRARIES, program):
        seconds(one, compiled)  # compiles the modules
    ratios: list[float] = []
    while not ratios or (min(ratios) >= most and len(ratios) < ROUNDS):
        pairs = [(seconds(LIBRARIES, compiled), seconds(program, compiled)) for _ in range(PROCESSES)]
        ratios.append(min(ours for _, ours in pairs) / min(libraries for libraries, _ in pairs))
    assert min(ratios) < most
