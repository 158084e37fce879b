"""Domains of every profile against libvirt's own schemas: this machine's, and Debian 13's for what is newer."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from nordgate.machine import PROFILES, Machine, Pinning, Profile, facts, profile_problems
from tests.unit.machine.samples import SAMPLES, WAYS, domain_xml, machine
from tests.unit.machine.test_stylesheet import CHANGES, LIBVIRTS_OWN
from toolchain.libvirt_schemas import domain_schema


@pytest.fixture(scope="module")
def schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(str(domain_schema())))


def complaints(schema: etree.RelaxNG, text: str) -> list[str]:
    schema.validate(etree.fromstring(text.encode()))
    return [entry.message for entry in schema.error_log]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("profile", PROFILES)
def test_libvirts_own_tool_takes_every_profile(profile: str, way: str, tmp_path: Path) -> None:
    (tmp_path / "domain.xml").write_text(domain_xml(SAMPLES[profile], way))
    command = ["virt-xml-validate", str(tmp_path / "domain.xml"), "domain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SAMPLES)
def test_the_schema_of_debian_13_takes_every_sample(schema: etree.RelaxNG, name: str, way: str) -> None:
    assert complaints(schema, domain_xml(SAMPLES[name], way)) == []


def test_a_port_of_open_vswitch_is_one_to_libvirt_and_is_read_back(schema: etree.RelaxNG) -> None:
    made = machine(open_vswitch=True)
    text = domain_xml(made, "bridge")
    assert complaints(schema, text) == []
    assert "<virtualport type=" not in domain_xml(machine(), "bridge")
    port = next(fact for fact in facts(made) if fact.what == "network port")
    assert port.read(ElementTree.fromstring(text)) == port.declared == "openvswitch"


@pytest.mark.parametrize("field", CHANGES)
def test_the_schema_takes_every_field(schema: etree.RelaxNG, field: str) -> None:
    assert complaints(schema, domain_xml(machine(**{field: CHANGES[field]}))) == []


def test_the_schema_refuses_what_libvirt_does_not_know(schema: etree.RelaxNG) -> None:
    text = domain_xml(machine())
    assert complaints(schema, text.replace('cache="none"', 'cache="some"'))
    assert complaints(schema, text.replace("<iothreads>2</iothreads>", "<iothreads>two</iothreads>"))


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Any machine that the settings would let through."""
    vcpus = draw(st.integers(1, 16))
    memory = draw(st.integers(1, 16)) << 30
    start = {name: draw(st.sampled_from([value, CHANGES[name]])) for name, value in PROFILES["balanced"]}
    start["iothreads"] = draw(st.integers(0, 16))
    start["disabled_cpu_features"] = draw(st.sets(st.sampled_from(["avx2", "hle", "sse4.1", "svm"])).map(sorted))
    for queues in ("disk_queues", "network_queues"):
        start[queues] = draw(st.one_of(st.just("perVcpu"), st.integers(1, vcpus)))
    profile = Profile.model_validate(start)
    # What is refused is mended, where it can be by one value, as a person would.
    mended: dict[str, dict[str, object]] = {
        "cpuMode": {"cpu_mode": "maximum"},
        "networkBackend": {"network_backend": "qemu"},
        "pinned": {"pinned": False},
    }
    mended |= {"threadsPerCore": {"threads_per_core": 1}, "iothreadMapping": {"iothread_mapping": False}}
    mended |= {"diskIo": {"disk_io": "threads"}}
    for setting, _ in profile_problems(profile, vcpus, memory):
        profile = profile.model_copy(update=mended[setting])
    assert profile_problems(profile, vcpus, memory) == []
    cores = draw(st.lists(st.integers(0, 255), min_size=vcpus, max_size=vcpus, unique=True))
    others = st.lists(st.integers(0, 255), min_size=1, max_size=6).map(tuple)
    pinning = Pinning(cpus=tuple(cores), emulator=draw(others), iothreads=draw(others), node=draw(st.integers(0, 63)))
    controller = draw(st.sampled_from([None, "0000:65:00.0", "0001:0a:1f.7"]))
    return machine(vcpus=vcpus, memory=memory, pinning=pinning if profile.pinned else None, nvme_controller=controller,
                   **dict(profile))  # fmt: skip


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(made=machines(), way=st.sampled_from(WAYS))
def test_any_machine_is_valid_and_holds_what_it_declares(schema: etree.RelaxNG, made: Machine, way: str) -> None:
    text = domain_xml(made, way)
    assert complaints(schema, text) == []
    domain = ElementTree.fromstring(text)
    assert [
        fact.what for fact in facts(made) if fact.read(domain) != fact.declared and fact.what not in LIBVIRTS_OWN
    ] == []
