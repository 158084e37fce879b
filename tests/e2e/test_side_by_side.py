"""Two regions at once on one machine: two labs, two stacks, and neither sees the other.

In the end one is destroyed and made again beside the other.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.identity import identity
from tests.e2e.project import Project

LABS = {"west": 8761, "east": 8762}
_SECONDS = 240


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Project]]:
    found = {lab: Project(tmp_path_factory.mktemp(lab), lab, port) for lab, port in LABS.items()}
    yield found
    for project in found.values():
        project.make("destroy")
        project.lab_down()


@pytest.mark.alone
def test_both_come_up_at_the_same_time_in_less_than_four_minutes(projects: dict[str, Project]) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(len(projects)) as pool:
        ended = list(pool.map(lambda project: project.make("up"), projects.values()))
    took = time.monotonic() - started
    assert [one.code for one in ended] == [0, 0], "\n".join(one.output for one in ended)
    assert took < _SECONDS


def test_the_same_addresses_lead_to_two_gateways(projects: dict[str, Project]) -> None:
    found = [project.outputs() for project in projects.values()]
    assert found[0]["addresses"] == found[1]["addresses"]
    assert found[0]["history"]["gw1"]["boot"] != found[1]["history"]["gw1"]["boot"]
    assert found[0]["history"]["gw1"]["machine"] != found[1]["history"]["gw1"]["machine"]


def test_no_process_of_one_is_in_the_network_of_the_other() -> None:
    networks = {
        lab: Path(f"/proc/{Path(f'/var/lib/nordgate/lab/{lab}/pid').read_text().split()[0]}/ns/net").readlink()
        for lab in LABS
    }
    assert len({*networks.values(), Path("/proc/self/ns/net").readlink()}) == 3
    for lab, network in networks.items():
        words = subprocess.run(
            ["pgrep", "-f", f"qemu-system.*{lab}-test-gw1"], capture_output=True, text=True, check=True
        ).stdout.split()
        assert {Path(f"/proc/{pid}/ns/net").readlink() for pid in words} == {network}, json.dumps(words)


def test_one_that_is_destroyed_and_made_again_is_the_same_and_the_other_notices_nothing(
    projects: dict[str, Project],
) -> None:
    again, beside = projects.values()
    before = identity(again)
    for target in ("destroy", "up"):
        ended = again.make(target)
        assert ended.code == 0, ended.output
    assert identity(again) == before
    ended = beside.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output
