"""One region on two hosts, which are two labs: a gateway on each, one after the other, and neither moves by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import control
from lab.layout import Forward, Lab
from tests.e2e.project import SOURCE, Project

FIRST, SECOND = Lab("pair"), Lab("pair-second")
PORT, OTHER_PORT = 8781, 8782
ADDRESS = "10.81.0.12"
HOST = f"""\
    host2:
      uri: {SECOND.uri}
      poolPath: {SECOND.root}/pool
      consoleLogs: {SECOND.root}/console
      requireNvme: false
"""
GATEWAY = f"""\
    gw2:
      hypervisor: host2
      address: {ADDRESS}
      entry: 127.0.0.1:{OTHER_PORT}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("checkout"), FIRST.name, PORT)
    chronyd = str(SOURCE / ".nordgate/packages/usr/sbin/chronyd")
    control.down(SECOND)
    control.up(SECOND, [Forward(OTHER_PORT, ADDRESS, 443)], ["10.81.0.21", "10.81.0.22"], chronyd)
    project.edit("  nordgate:image:", HOST + "  nordgate:image:")
    yield project
    project.make("destroy")
    project.lab_down()
    control.down(SECOND)


def test_a_gateway_stands_where_it_is_declared(project: Project) -> None:
    ended = project.make("up")
    assert ended.code == 0, ended.output
    assert project.outputs()["history"]["gw1"]["hypervisor"] == "host1"


def test_adding_a_gateway_on_the_other_host_leaves_the_first_alone(project: Project) -> None:
    before = project.outputs()["history"]["gw1"]
    project.edit("  # Emulated, and", GATEWAY + "  # Emulated, and")
    ended = project.pulumi("up", "--yes", "--skip-preview")
    assert ended.code == 0, ended.output
    after = project.outputs()["history"]
    assert after["gw1"] == before
    assert after["gw2"]["machine"] != before["machine"]
    assert project.pulumi("preview", "--expect-no-changes").code == 0


def swapped(project: Project, one: str, other: str) -> None:
    project.edit(one, "(one)")
    project.edit(other, one)
    project.edit("(one)", other)


def refused(project: Project) -> str:
    ended = project.pulumi("preview")
    assert ended.code != 0, ended.output
    assert "Nothing was changed" in ended.output, ended.output
    return ended.output


def test_gateways_that_would_change_their_hosts_are_refused(project: Project) -> None:
    places = ("host1\n      address: 10.81.0.11", f"host2\n      address: {ADDRESS}")
    changed = (f"host2{places[0][5:]}", f"host1{places[1][5:]}")
    for before, after in zip(places, changed, strict=True):
        project.edit(before, after)
    said = refused(project)
    for before, after in zip(places, changed, strict=True):
        project.edit(after, before)
    assert "gw1: on host1 now, on host2 as declared, and data does not move by itself." in said
    assert "gw2: on host2 now, on host1 as declared, and data does not move by itself." in said


def test_hosts_whose_uris_lead_to_other_machines_are_refused(project: Project) -> None:
    swapped(project, FIRST.uri, SECOND.uri)
    refused(project)
    swapped(project, FIRST.uri, SECOND.uri)
    ended = project.pulumi("preview", "--expect-no-changes")
    assert ended.code == 0, ended.output
