"""`make verify` finds what differs, setting by setting."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from nordgate.cli.verify import compare, compare_flags, compare_volumes, verify
from nordgate.design.gateway_design import GatewayDesign, design
from nordgate.errors import AgentSilentError, HypervisorError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.settings.loader import load_file, parse
from smoke.reading import Reading
from smoke.verdict import Line, Verdict
from tests.e2e.test_processor import LAB, OVERRIDES, VOLUME
from tests.unit.machine.samples import machine

PROJECT = Path(__file__).parents[2]
LIVE = (Path(__file__).parent / "base" / "live-domain.xml").read_text()
"""What libvirt 9.0 said of the running guest of the end-to-end test, which captures it."""

STACK = f"{LAB}-test"


@pytest.fixture
def declared() -> GatewayDesign:
    text = (
        (PROJECT / "stacks/Pulumi.oslo-test.yaml")
        .read_text()
        .replace("/lab/oslo/", f"/lab/{LAB}/")
        .replace(":8443", ":8799")
    )
    text = text.replace(":8443", ":8799")
    config = yaml.safe_load(text.replace(VOLUME, VOLUME + OVERRIDES))["config"]
    # The guest's documents are of their day; the fingerprint of all of them is in the name of its root volume.
    mark = re.search(r"-root-([0-9a-f]{12})\.qcow2", LIVE)
    assert mark
    return dataclasses.replace(design(parse(config, STACK, PROJECT), STACK, "gw1", "0" * 64), fingerprint=mark[1])


def differing(declared: GatewayDesign, live: str) -> list[str]:
    return [finding.what for finding in compare(declared, live) if not finding.agrees]


def test_a_guest_as_declared_has_no_difference(declared: GatewayDesign) -> None:
    assert differing(declared, LIVE) == []


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("<feature policy='require' name='aes'/>", "", "required cpu features"),
        ("<feature policy='disable' name='avx2'/>", "", "hidden cpu features"),
        ("<nosharepages/>", "", "unshared pages"),
        ("<nosharepages/>", "<nosharepages/><locked/>", "locked memory"),
        ("<iothreads>2</iothreads>", "<iothreads>1</iothreads>", "iothreads"),
        ("iothread='2'", "iothread='1'", "disk 2 iothreads"),
        ("cache='none'", "cache='writeback'", "disk 1 cache"),
        ("io='native'", "io='threads'", "disk 2 io"),
        ("<driver name='qemu'/>", "<driver name='vhost' queues='4'/>", "network queues"),
        ("<serial>nordgate-data</serial>", "", "data volume serial"),
        ("<vcpu placement='static'>1</vcpu>", "<vcpu placement='static'>2</vcpu>", "vcpus"),
        ("<serial>nordgate-seed</serial>", "", "seed serial"),
        ("<domain type='qemu'", "<domain type='kvm'", "accelerator"),
        ("gw1-data.raw", "gw2-data.raw", "data volume"),
        ("gw1-seed-", "gw2-seed-", "seed disk"),
        ("<memballoon model='none'/>", "<memballoon model='virtio'/>", "balloon"),
        ("machine='pc-q35-7.2'", "machine='pc-i440fx-7.2'", "machine"),
    ],
)
def test_each_difference_is_named(declared: GatewayDesign, before: str, after: str, what: str) -> None:
    assert before in LIVE
    assert what in differing(declared, LIVE.replace(before, after))


def test_a_changed_declaration_is_a_difference_too(declared: GatewayDesign) -> None:
    other = dataclasses.replace(declared, machine=dataclasses.replace(declared.machine, vcpus=4))
    assert {"vcpus", "cpu cores"} <= set(differing(other, LIVE))


@pytest.mark.parametrize(
    ("flags", "differing"),
    [
        ("fpu sse4_1 aes", []),
        ("fpu sse4_1", ["guest sees aes"]),
        ("fpu aes avx512f", ["guest sees avx512f"]),
    ],
)
def test_the_guests_own_view_of_its_processor_counts(flags: str, differing: list[str]) -> None:
    made = machine(disabled_cpu_features=("avx512f",), vcpus=2)
    findings = compare_flags(made, f"processor\t: 0\nflags\t\t: {flags}\n" * 2)
    assert [finding.what for finding in findings if not finding.agrees] == differing


def test_features_are_looked_up_by_the_kernels_names() -> None:
    made = machine(disabled_cpu_features=("sse4.1",), vcpus=1)
    findings = compare_flags(made, "flags : fpu sse4_1 aes\n")
    assert [finding.what for finding in findings if not finding.agrees] == ["guest sees sse4_1"]


def test_a_guest_with_a_processor_less_is_noticed() -> None:
    findings = compare_flags(machine(vcpus=2), "flags : fpu aes\n")
    assert [finding.what for finding in findings if not finding.agrees] == ["guest sees vcpus"]


@pytest.mark.parametrize(
    ("there", "differing"),
    [
        ({"data": 128 << 20, "image": 1}, []),
        ({"data": 64 << 20, "image": 1}, ["data volume bytes"]),
        ({"image": 1}, ["data volume bytes"]),
        ({"data": 128 << 20}, ["image"]),
    ],
)
def test_volumes_are_looked_at_where_they_lie(
    declared: GatewayDesign, monkeypatch: pytest.MonkeyPatch, there: dict[str, int], differing: list[str]
) -> None:
    def volume(_: Hypervisor, pool: str, name: str) -> ElementTree.Element | None:
        assert pool == f"nordgate-{STACK}"
        size = there.get("data" if name.endswith("-data.raw") else "image")
        return None if size is None else ElementTree.fromstring(f"<volume><capacity>{size}</capacity></volume>")

    monkeypatch.setattr(Hypervisor, "volume", volume)
    findings = compare_volumes(declared, Hypervisor("qemu:///system"), "image.qcow2")
    assert [finding.what for finding in findings if not finding.agrees] == differing


@pytest.mark.parametrize(
    ("folder", "mib", "agrees"),
    [("/dev/fast", 160, True), ("/dev/fast", 128, True), ("/dev/fast", 96, False), ("/srv/nvme", 160, False)],
)
def test_a_logical_volume_may_be_rounded_up_to_whole_extents(
    declared: GatewayDesign, monkeypatch: pytest.MonkeyPatch, folder: str, mib: int, agrees: bool
) -> None:
    xml = ElementTree.fromstring(f"<volume><capacity>{mib << 20}</capacity></volume>")
    monkeypatch.setattr(Hypervisor, "volume", lambda *_: xml)
    there = dataclasses.replace(declared, machine=dataclasses.replace(declared.machine, data_path=f"{folder}/data.raw"))
    size, _ = compare_volumes(there, Hypervisor("qemu:///system"), "image.qcow2")
    assert size.agrees is agrees


@pytest.fixture
def ask(declared: GatewayDesign, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Verifies a stack whose one guest answers like this, and returns the exit code."""

    def answer(
        state: str = "running",
        xml: str = LIVE,
        cpuinfo: str = "flags : fpu aes\n",
        silent: bool = False,
        inside: Sequence[Line] = (Line("net.core.somaxconn", "65535", "≥ 4096", Verdict.PASS),),
    ) -> int:
        def read_file(*_: object) -> bytes:
            if silent:
                raise AgentSilentError("the guest agent does not answer.")
            return cpuinfo.encode()

        def virsh(_: Hypervisor, verb: str, *__: str) -> str:
            if not state:
                raise HypervisorError("cannot reach libvirt.")
            if verb == "vol-dumpxml":
                return "<volume><capacity unit='bytes'>134217728</capacity></volume>"
            return state if verb == "domstate" else xml

        monkeypatch.setattr(Hypervisor, "virsh", virsh)
        monkeypatch.setattr(GuestAgent, "read_file", read_file)
        monkeypatch.setattr("smoke.guest_proofs.proofs", lambda *_: (Reading({}), list(inside)))
        monkeypatch.setattr("nordgate.cli.verify.designs", lambda *_: [declared])
        return verify(STACK, load_file(PROJECT, "oslo-test"))

    return answer


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({}, 0, " 0 differ"),
        ({"xml": LIVE.replace("cache='none'", "cache='writeback'")}, 1, "disk 1 cache"),
        ({"cpuinfo": "flags : fpu avx2 aes\n"}, 1, "guest sees avx2"),
        ({"inside": [Line("files on disk", "33 as rendered", "34 as rendered", Verdict.FAIL)]}, 1, "files on disk"),
        ({"inside": [Line("clock against this machine's", "3600.0 s", "≤ 1 s", Verdict.FAIL)]}, 1, "3600.0 s"),
        ({"inside": [Line("configuration on disk", "[emerg] bad key", "ok", Verdict.FAIL)]}, 1, "[emerg] bad key"),
        ({"inside": [Line("connection tracking table", "99 %", "≤ 90 %", Verdict.FAIL)]}, 1, "99 %"),
        ({"inside": [Line("clock", "off: this machine's is", "≤ 1 s", Verdict.INCONCLUSIVE)]}, 3, "cannot tell: clock"),
        ({"state": "shut off"}, 1, "shut off"),
        ({"state": "paused (I/O error)"}, 1, "paused (I/O error)"),
        ({"state": "idle"}, 0, " 0 differ"),
        ({"silent": True}, 3, "cannot tell: the guest agent does not answer."),
        ({"state": ""}, 3, "cannot tell: cannot reach libvirt."),
    ],
)
def test_the_exit_code_tells_drift_from_ignorance(
    ask: Callable[..., int], answer: dict[str, Any], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(**answer) == code
    assert said in capsys.readouterr().out


def test_a_stack_that_does_not_exist_is_wrong_usage() -> None:
    command = [sys.executable, "-m", "nordgate.cli", "verify", "nowhere"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "there is no such stack" in ended.stderr


def test_a_gateway_that_the_stack_has_not_is_told_with_those_that_it_has() -> None:
    command = [sys.executable, "-m", "nordgate.cli", "check", "oslo-test", "gw9"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert 'there is no gateway "gw9"; the stack has gw1.' in ended.stderr


@pytest.mark.parametrize("target", ["up", "rebuild"])
def test_a_deployment_that_failed_says_what_it_has_left_and_has_failed(tmp_path: Path, target: str) -> None:
    """The Makefile's own last line of each, with a pulumi that fails."""
    listed = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", target, "STACK=oslo"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    (line,) = (line for line in listed if "pulumi up" in line)
    (tmp_path / "pulumi").write_text("#!/bin/sh\nexit 255\n")
    (tmp_path / "pulumi").chmod(0o755)
    line = line.replace(".nordgate/venv/bin/python", sys.executable)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["sh", "-c", line], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert "Outputs that Pulumi shows above as deleted (- urls) are not: " in ended.stdout


def test_the_smoke_plan_is_json_and_names_the_guest(declared: GatewayDesign) -> None:
    plan = json.loads(json.dumps(declared.smoke_plan))
    assert plan["libvirt"]["domain"] == declared.domain == f"{STACK}-gw1"
