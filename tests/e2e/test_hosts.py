"""A real host, asked: a lab's libvirt, directly and through a real SSH server on 127.0.0.1."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab import control
from lab.layout import Lab
from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.preflight.demands import GuestDemand, HostDemand, OwnObject, State
from nordgate.preflight.gather_facts import gather_facts
from nordgate.preflight.host_checks import check
from nordgate.preflight.kvm import BOUND, boots
from nordgate.preflight.provider import check_connection
from tests.e2e.storage_guest import SOURCE
from tests.sshd import Server, ssh_server
from toolchain.plugins import PLUGINS

LAB = Lab("storage-hosts")
PLUGIN = next(plugin.installed for plugin in PLUGINS if plugin.name == "libvirt")
PACKAGES = SOURCE / ".nordgate/packages"
LOCAL = HostDemand(
    host="host1", uri=LAB.uri, prefix="oslo", pool=OwnObject("nordgate-oslo", "00000000-0000-4000-8000-000000000001"),
    pool_path=str(LAB.root / "pool"), volumes={"oslo-gw1-data.raw": 1 << 20}, require_nvme=False, accelerator="qemu",
    guests=(
        GuestDemand("oslo-gw1", "00000000-0000-4000-8000-000000000002", "52:54:00:0a:0b:0c", IPv4Address("10.8.0.11")),
    ),
)  # fmt: skip
_FOREIGN = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<interface type='ethernet'><mac address='{mac}'/></interface></devices></domain>"""


@pytest.fixture(scope="module", autouse=True)
def lab() -> Iterator[None]:
    control.up(LAB, [], [], str(PACKAGES / "usr/sbin/chronyd"))
    yield
    control.down(LAB)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ssh")
    # For a socket of one's own, libvirt wants a netcat on the host.
    (folder / "netcat").write_text('#!/bin/sh\nfor socket; do :; done\nexec socat - "UNIX-CONNECT:$socket"\n')
    (folder / "netcat").chmod(0o755)
    with ssh_server(folder) as server:
        yield server


def over_ssh(server: Server, known: str = "host", key: str = "user") -> HostDemand:
    folder = server.folder
    known_hosts = server.known_hosts(known) if known else folder / "authorized"  # which names no host
    query = f"socket={LAB.socket}&knownhosts={known_hosts}&keyfile={folder}/{key}&netcat={folder}/netcat"
    return dataclasses.replace(LOCAL, uri=f"qemu+ssh://root@127.0.0.1:{server.port}/system?{query}")


def domains() -> list[str]:
    return Hypervisor(LAB.uri).virsh("list", "--all", "--name").split()


def test_a_look_at_a_host_takes_less_than_a_second() -> None:
    took = []
    # What else the machine does adds to it: of a few looks, the quickest shows what one costs.
    for _ in range(5):
        started = time.monotonic()
        findings = check(LOCAL, gather_facts(LOCAL))
        took.append(time.monotonic() - started)
    assert min(took) < 1
    assert [finding for finding in findings if finding.state is State.FAIL] == []


def test_ssh_shows_the_same_host(server: Server) -> None:
    demand = over_ssh(server)
    local, remote = gather_facts(LOCAL), gather_facts(demand)
    # The URI's netcat is virsh's: the provider is led to the socket by sshd itself.
    assert check_connection(PLUGIN, demand.uri, remote.system).state is State.OK
    assert remote.probe is not None, remote.probe_problem
    assert remote.boot == local.boot
    assert remote.libvirt == local.libvirt


@pytest.mark.parametrize(
    ("known", "key", "said"),
    [
        ("other", "user", "shows another SSH host key than the one in"),
        ("", "user", "is not in"),
        ("host", "other", "refuses the SSH login root@127.0.0.1"),
    ],
)
def test_a_wrong_key_is_one_sentence(server: Server, known: str, key: str, said: str) -> None:
    with pytest.raises(HypervisorError) as problem:
        gather_facts(over_ssh(server, known, key))
    assert said in str(problem.value)
    assert len(str(problem.value).splitlines()) == 1


def test_what_another_owns_is_refused_and_untouched(tmp_path: Path) -> None:
    hypervisor = Hypervisor(LAB.uri)
    for name, mac in (("oslo-gw1", "52:54:00:00:00:01"), ("db", "52:54:00:0a:0b:0c")):
        (tmp_path / "domain.xml").write_text(_FOREIGN.format(name=name, mac=mac))
        hypervisor.virsh("define", str(tmp_path / "domain.xml"))
    before = [hypervisor.virsh("dumpxml", name) for name in domains()]
    try:
        said = [finding.found for finding in check(LOCAL, gather_facts(LOCAL)) if finding.state is State.FAIL]
        assert len(said) == 2
        assert "a domain oslo-gw1 with UUID" in said[0] + said[1]
        assert "52:54:00:0a:0b:0c is that of the domain db" in said[0] + said[1]
        assert [hypervisor.virsh("dumpxml", name) for name in domains()] == before
    finally:
        for name in domains():
            hypervisor.virsh("undefine", name)


def test_a_guest_that_runs_is_seen_to_run_and_leaves_nothing() -> None:
    finding = boots(Hypervisor(LAB.uri), "nordgate-probe", "qemu", "maximum")
    assert finding.state is State.OK, finding
    assert domains() == []


def test_a_machine_whose_kvm_cannot_run_the_profile_is_refused_soon_and_without_a_trace() -> None:
    """On a machine with a real KVM the same probe must say yes; either way it ends and leaves nothing."""
    started = time.monotonic()
    finding = boots(Hypervisor(LAB.uri), "nordgate-probe", "kvm", "host-passthrough")
    assert time.monotonic() - started < BOUND + 7
    print(finding)
    assert finding.state is State.OK or finding.found
    assert domains() == []
