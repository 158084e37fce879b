"""A bridge of Open vSwitch, whose packets its own process switches: no kernel module is needed.

Its programs are unpacked, not installed, and run in a lab's namespaces. No guest boots: one that was tried came up,
and no connection to it did.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab import control
from lab.inside import enter
from lab.layout import Lab
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.preflight.gather_facts import PROBE
from nordgate.preflight.sections import split
from tests.e2e.project import SOURCE
from tests.unit.machine.samples import domain_xml, machine
from toolchain import apt

pytestmark = pytest.mark.long

LAB = Lab("switch")
BRIDGE = "ovs_br0"
_PACKAGES = ["openvswitch-switch", "openvswitch-common", "libxdp1"]
_SWITCH = f"""
set -eu
tree=$1 run=/run/openvswitch
mkdir -p $run
export LD_LIBRARY_PATH=$tree/usr/lib/x86_64-linux-gnu
"$tree"/usr/bin/ovsdb-tool create $run/conf.db "$tree"/usr/share/openvswitch/vswitch.ovsschema
"$tree"/usr/sbin/ovsdb-server $run/conf.db --remote=punix:$run/db.sock --pidfile=$run/1.pid --unixctl=$run/1.ctl \\
    --detach --log-file=$run/1.log
ovs-vsctl --no-wait init
"$tree"/usr/lib/openvswitch-switch/ovs-vswitchd unix:$run/db.sock --pidfile=$run/2.pid --unixctl=$run/2.ctl \\
    --detach --log-file=$run/2.log
ovs-vsctl --timeout=20 add-br {BRIDGE} -- set bridge {BRIDGE} datapath_type=netdev
"""


def inside(*words: str, stdin: str = "") -> str:
    command = [*enter(LAB), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def hypervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    tree, tools = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("bin")
    apt.unpack(_PACKAGES, tree)
    libraries = f"LD_LIBRARY_PATH={tree}/usr/lib/x86_64-linux-gnu"
    (tools / "ovs-vsctl").write_text(f'#!/bin/sh\n{libraries} exec {tree}/usr/bin/ovs-vsctl "$@"\n')
    (tools / "ovs-vsctl").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        # libvirtd calls it, and the probe.
        patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        control.up(LAB, [], [], str(SOURCE / ".nordgate/packages/usr/sbin/chronyd"))
        try:
            inside("sh", "-c", _SWITCH, "sh", str(tree))
            yield Hypervisor(LAB.uri)
        finally:
            control.down(LAB)


def test_the_probe_knows_it_though_its_device_is_a_tap(hypervisor: Hypervisor) -> None:
    assert hypervisor.uri
    found = split(inside("sh", "-s", "--", "-", "-", "oslo", BRIDGE, stdin=PROBE.read_text()))
    assert "tun type tap" in found["link"]
    assert found["switch"].strip() == "0"


def test_libvirt_adds_a_guests_port_and_takes_it_away(hypervisor: Hypervisor, tmp_path: Path) -> None:
    made = machine("portable", console_log=str(tmp_path / "console.log"), open_vswitch=True)
    domain = ElementTree.fromstring(domain_xml(made, "bridge"))
    devices = domain.find("devices")
    source = domain.find("devices/interface/source")
    assert devices is not None
    assert source is not None
    source.set("bridge", BRIDGE)
    for disk in devices.findall("disk"):
        devices.remove(disk)
    (tmp_path / "domain.xml").write_text(ElementTree.tostring(domain, encoding="unicode"))
    hypervisor.virsh("create", str(tmp_path / "domain.xml"), "--paused", timeout=60)
    name = domain.findtext("name", "")
    (port,) = inside("ovs-vsctl", "list-ports", BRIDGE).split()
    assert port in hypervisor.virsh("domiflist", name)
    hypervisor.virsh("destroy", name)
    assert inside("ovs-vsctl", "list-ports", BRIDGE) == ""
