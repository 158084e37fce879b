"""A guest with and without AES instructions, on an overlay and on a flat root: what it sees, and how fast it encrypts.

The figures are in docs/aes.md: `.nordgate/venv/bin/python -m pytest tests/e2e/test_processor.py --long -s`. With
`--update-golden` too, what libvirt says of the guest is captured for the unit tests of `verify`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from tests.e2e.project import SOURCE, Project

LAB, PORT = "hardware-guest", 8748
POOL = Path("/var/lib/nordgate/lab") / LAB / "pool"
LIVE = SOURCE / "tests/unit/base/live-domain.xml"
VOLUME = "    dataVolume: 128MiB\n"
OVERRIDES = """\
    diskCache: none
    diskIo: native
    iothreads: 2
    sharePages: false
    disabledCpuFeatures: [avx2]
"""
MASKED = (
    "    disabledCpuFeatures: [avx2]\n",
    "    disabledCpuFeatures: [avx2, aes]\n    requireAes: false\n    root: flat\n",
)
SPEED = ("openssl", "speed", "-seconds", "3", "-bytes", "8192", "-evp", "aes-128-gcm")

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("checkout"), LAB, PORT)
    yield project
    project.lab_down()


@pytest.fixture(scope="module")
def agent() -> GuestAgent:
    hypervisor = Hypervisor(f"qemu:///system?socket=/var/lib/nordgate/lab/{LAB}/run/libvirt-sock")
    return GuestAgent(hypervisor, f"{LAB}-test-gw1")


def deployed(project: Project, before: str, after: str) -> None:
    """Bring the stack up with that edit, and see that nothing more would change and that the guest is as declared."""
    project.edit(before, after)
    for ended in (project.make("up"), project.pulumi("preview", "--expect-no-changes"), project.make("verify")):
        assert ended.code == 0, ended.output
    assert "0 differ" in ended.output, ended.output


def flags(agent: GuestAgent) -> set[str]:
    return set(re.findall(r"\w+", agent.read_file("/proc/cpuinfo").decode().partition("flags")[2].partition("\n")[0]))


def speed(agent: GuestAgent) -> float:
    """Megabytes that the guest encrypts in a second."""
    ended = agent.exec(SPEED, timeout=60)
    assert ended.exit_code == 0, ended.stderr
    found = re.search(r"^AES-128-GCM\s+([\d.]+)k", ended.stdout.decode(), re.MULTILINE)
    assert found, ended.stdout
    return float(found[1]) / 1000


def roots() -> list[str]:
    """The formats of the root volumes in the pool: that of a guest that was replaced is gone."""
    return [path.suffix[1:] for path in POOL.glob(f"{LAB}-test-gw1-root-*")]


def test_aes_is_shown_and_can_be_hidden(project: Project, agent: GuestAgent, request: pytest.FixtureRequest) -> None:
    deployed(project, VOLUME, VOLUME + OVERRIDES)
    if request.config.getoption("--update-golden"):
        LIVE.write_text(agent.hypervisor.virsh("dumpxml", agent.domain))
    assert "aes" in flags(agent)
    assert roots() == ["qcow2"]
    shown = speed(agent)

    deployed(project, *MASKED)
    assert "aes" not in flags(agent)
    assert roots() == ["raw"]
    hidden = speed(agent)

    assert min(shown, hidden) > 0
    print(f"\n| the guest has AES instructions | {shown:.1f} MB/s |\n| they are hidden | {hidden:.1f} MB/s |")


def test_a_copied_root_goes_with_the_stack(project: Project) -> None:
    ended = project.make("destroy")
    assert ended.code == 0, ended.output
    assert not POOL.exists()
