"""Hardware profiles as far as any machine can go with them: kept by libvirt, and in a QEMU that no guest runs in."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.machine import PROFILES, Machine, Pinning, facts, requires
from tests.e2e.project import SOURCE, Project
from tests.unit.machine.samples import EVERYTHING, WAYS, domain_xml, machine

LAB, PORT = "hardware-e2e", 8746
FOLDER = Path("/var/lib/nordgate/lab") / LAB
POOL = f"{FOLDER}/pool"
IN_THE_LAB = (sys.executable, "-m", "lab", "exec", LAB)
HERE: dict[str, Any] = {
    "pool_path": POOL,
    "data_path": f"{POOL}/base-test-gw1-data.raw",
    "console_log": f"{FOLDER}/console/sample.log",
    "memory": 1 << 30,
}


@pytest.fixture(scope="module")
def hypervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    project = Project(tmp_path_factory.mktemp("checkout"), LAB, PORT)
    started = project.make("lab-up")
    assert started.code == 0, started.output
    subprocess.run([*IN_THE_LAB, "ip", "link", "add", "br0", "type", "bridge"], check=True, cwd=SOURCE)
    yield Hypervisor(f"qemu:///system?socket={FOLDER}/run/libvirt-sock")
    project.lab_down()


@contextmanager
def defined(hypervisor: Hypervisor, text: str, uuid: str, folder: Path) -> Iterator[None]:
    """While that domain is defined."""
    (folder / "domain.xml").write_text(text)
    hypervisor.virsh("define", str(folder / "domain.xml"))
    try:
        yield
    finally:
        hypervisor.virsh("undefine", uuid)


def differing(made: Machine, xml: str) -> list[str]:
    domain = ElementTree.fromstring(xml)
    return [fact.what for fact in facts(made) if fact.read(domain) != fact.declared]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("profile", PROFILES)
def test_libvirt_keeps_every_setting_of_a_profile(
    hypervisor: Hypervisor, profile: str, way: str, tmp_path: Path
) -> None:
    made = machine(profile, **HERE)
    if made.profile.accelerator == "kvm" and not Path("/dev/kvm").exists():
        pytest.skip("libvirt keeps no kvm domain on a machine without /dev/kvm")
    with defined(hypervisor, domain_xml(made, way), made.uuid, tmp_path):
        assert differing(made, hypervisor.virsh("dumpxml", "--inactive", made.uuid)) == []


def test_what_this_libvirt_is_too_old_for_is_required_and_would_be_noticed(
    hypervisor: Hypervisor, tmp_path: Path
) -> None:
    emulated = EVERYTHING.profile.model_copy(update={"accelerator": "qemu", "cpu_mode": "maximum"})
    made = dataclasses.replace(EVERYTHING, **HERE, profile=emulated)
    has = version_of(hypervisor.virsh("version"))
    lacking = {needed.feature for needed in requires(made.profile) if version_of(needed.libvirt) > has}
    with defined(hypervisor, domain_xml(made), made.uuid, tmp_path):
        found = differing(made, hypervisor.virsh("dumpxml", "--inactive", made.uuid))
    assert found == (["disk 1 iothreads", "disk 2 iothreads"] if lacking else [])


def version_of(text: str) -> tuple[int, ...]:
    """The first version in `text`."""
    found = re.search(r"(\d+)\.(\d+)", text)
    assert found, text
    return tuple(map(int, found.groups()))


@contextmanager
def started(hypervisor: Hypervisor, made: Machine, folder: Path, required: str = "aes") -> Iterator[None]:
    """While QEMU runs that machine, with its processors stopped: no guest's code runs in it."""
    text = domain_xml(made, "bridge").replace("/lab/base/", f"/lab/{LAB}/")
    text = text.replace('policy="require" name="aes"', f'policy="require" name="{required}"')
    for disk in ElementTree.fromstring(text).findall("devices/disk"):
        source, driver = disk.find("source"), disk.find("driver")
        assert source is not None
        assert driver is not None
        command = ["qemu-img", "create", "-q", "-f", driver.get("type", ""), source.get("file", ""), "1M"]
        subprocess.run(command, check=True)
    with defined(hypervisor, text, made.uuid, folder):
        hypervisor.virsh("start", "--paused", made.uuid, timeout=60)
        try:
            yield
        finally:
            hypervisor.virsh("destroy", made.uuid)


@pytest.mark.parametrize("disk_io", ["native", "io_uring"])
def test_qemu_has_every_thread_and_queue(hypervisor: Hypervisor, disk_io: str, tmp_path: Path) -> None:
    made = machine(
        "portable", **HERE, threads_per_core=2, iothreads=2, disk_cache="none", disk_io=disk_io, share_pages=False,
        disabled_cpu_features=("avx2",),
    )  # fmt: skip

    def ask(command: str, **arguments: str) -> Any:
        message = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(hypervisor.virsh("qemu-monitor-command", made.uuid, message))["return"]

    with started(hypervisor, made, tmp_path):
        assert differing(made, hypervisor.virsh("dumpxml", made.uuid)) == []
        assert {thread["id"] for thread in ask("query-iothreads")} == {"iothread1", "iothread2"}
        for number, disk in enumerate(
            ("/machine/peripheral/virtio-disk0", "/machine/peripheral/virtio-disk1"), start=1
        ):
            assert ask("qom-get", path=disk, property="num-queues") == 4
            assert ask("qom-get", path=disk, property="iothread") == f"/objects/iothread{number}"
        assert ask("qom-get", path="/machine/peripheral/net0", property="mq") is True
        network = hypervisor.virsh("qemu-monitor-command", made.uuid, "--hmp", "info network")
        assert network.count("hostnet0") == 4
        places = [(cpu["props"]["core-id"], cpu["props"]["thread-id"]) for cpu in ask("query-hotpluggable-cpus")]
        assert sorted(places) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_processor_without_a_required_feature_is_refused(hypervisor: Hypervisor, tmp_path: Path) -> None:
    """Every processor here has AES; none that QEMU emulates has AVX-512, which stands in for it."""
    made = machine("portable", **HERE)
    refused = pytest.raises(HypervisorError, match="missing features: avx512f")
    with refused, started(hypervisor, made, tmp_path, required="avx512f"):
        pass


def test_threads_run_where_they_are_pinned(hypervisor: Hypervisor, tmp_path: Path) -> None:
    """Pinning is refused for emulation, which gains nothing from it; what libvirt does with it is the same."""
    pinning = Pinning(cpus=(1, 0), emulator=(0,), iothreads=(1,), node=0)
    made = machine("portable", **HERE, vcpus=2, iothreads=1, pinning=pinning)
    with started(hypervisor, made, tmp_path):
        assert differing(made, hypervisor.virsh("dumpxml", made.uuid)) == []
        name = hypervisor.virsh("domname", made.uuid).strip()
        cores = allowed_cores(f"/run/libvirt/qemu/{name}.pid")
    wanted = {"CPU 0/TCG": "1", "CPU 1/TCG": "0", "IO iothread1": "1", "qemu-system-x86": "0"}
    assert wanted.items() <= cores.items(), cores


def allowed_cores(pid_file: str) -> dict[str, str]:
    """The cores that the kernel lets each thread of QEMU run on, by the thread's name."""
    script = 'for task in /proc/"$(cat "$1")"/task/*; do cat "$task/comm"; grep Cpus_allowed_list "$task/status"; done'
    command = [*IN_THE_LAB, "sh", "-c", script, "sh", pid_file]
    lines = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name: allowed.split()[1] for name, allowed in zip(lines[::2], lines[1::2], strict=True)}


@pytest.fixture
def pool(hypervisor: Hypervisor) -> Iterator[str]:
    hypervisor.virsh("pool-create-as", "sample", "dir", "--target", POOL)
    yield "sample"
    hypervisor.virsh("pool-destroy", "sample")


def hosts(verb: str, **request: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hosts", verb]
    return subprocess.run(command, input=json.dumps(request), cwd=SOURCE, capture_output=True, text=True, check=False)


def test_an_image_is_sent_whole_once_and_again_when_it_was_cut_off(
    hypervisor: Hypervisor, pool: str, tmp_path: Path
) -> None:
    file, stored = tmp_path / "image.qcow2", Path(POOL) / "sent.qcow2"
    (tmp_path / "content").write_bytes(b"content" * 1_000_000)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(tmp_path / "content"), str(file)], check=True)
    request = {"uri": str(hypervisor.uri), "pool": pool, "name": stored.name, "file": str(file)}
    stored.write_bytes(file.read_bytes()[: 1 << 20])
    done = hosts("store-image", **request)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(stored)
    assert stored.read_bytes() == file.read_bytes()

    when = stored.stat().st_mtime_ns
    assert hosts("store-image", **request).returncode == 0
    assert stored.stat().st_mtime_ns == when, "it was there already"

    assert hosts("delete-image", **request).returncode == 0
    assert not stored.exists()
    assert hosts("delete-image", **request).returncode == 0, "there is nothing left to delete"


def test_a_flat_root_is_the_whole_image(hypervisor: Hypervisor, pool: str) -> None:
    image = Path(POOL) / "image.qcow2"
    (Path(POOL) / "content").write_bytes(b"content" * 100_000 + bytes(4 << 20) + b"end")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", f"{POOL}/content", str(image)], check=True)
    hypervisor.virsh("pool-refresh", pool)
    left = Path(POOL) / "root.raw"
    left.write_bytes(b"half a copy")
    request = {"uri": str(hypervisor.uri), "pool": pool, "name": "root.raw", "image": str(image)}
    done = hosts("copy-root", **request)
    assert done.returncode == 0, done.stderr
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", "raw", str(image), str(left)], check=True)

    assert hosts("delete-root", **request).returncode == 0
    assert not left.exists()
    assert hosts("delete-root", **request).returncode == 0, "there is nothing left to delete"


def test_a_copy_that_fails_says_why(hypervisor: Hypervisor, pool: str) -> None:
    done = hosts("copy-root", uri=str(hypervisor.uri), pool=pool, name="root.raw", image="/nowhere.qcow2")
    assert done.returncode == 1
    assert "Storage volume not found" in done.stderr
