"""What holds for every resource of every stack file, seen as the engine would see it."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
import pytest

from hosts.preflight import Finding, State
from stacks.load import stack_names
from tests.program.recording import FAKE_IMAGE, PROJECT, Registered, run_program

STACKS = stack_names(PROJECT)
COMPONENTS = {
    "nordgate:region:Region",
    "nordgate:hypervisor:Hypervisor",
    "nordgate:network:Network",
    "nordgate:image:BaseImage",
    "nordgate:guest:Guest",
    "nordgate:gateway:Gateway",
    "nordgate:smoke:SmokeCheck",
}
LEAVES = {
    "pulumi:providers:libvirt",
    "libvirt:index/pool:Pool",
    "libvirt:index/network:Network",
    "libvirt:index/volume:Volume",
    "libvirt:index/cloudInitDisk:CloudInitDisk",
    "libvirt:index/domain:Domain",
    "command:local:Command",
}


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def registered(stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Registered]:
    monkeypatch.chdir(tmp_path)
    return run_program(stack, tmp_path)


def of_type(registered: list[Registered], token: str) -> list[Registered]:
    return [resource for resource in registered if resource.type == token]


def test_only_the_designs_components_and_what_they_are_made_of(registered: list[Registered]) -> None:
    found = {resource.type for resource in registered}
    assert found <= COMPONENTS | LEAVES
    # A host with a bridge needs no network of the stack's own.
    assert (COMPONENTS | LEAVES) - found <= {"nordgate:network:Network", "libvirt:index/network:Network"}


def test_every_resource_has_a_parent(registered: list[Registered]) -> None:
    roots = [resource.type for resource in registered if not resource.parent.rpartition("::")[0].count("nordgate:")]
    assert roots == ["nordgate:region:Region"]


def test_every_libvirt_resource_goes_to_a_declared_hypervisor(registered: list[Registered]) -> None:
    for resource in registered:
        if resource.type.startswith("libvirt:"):
            assert "pulumi:providers:libvirt::" in resource.provider, resource.name


def test_edits_that_the_provider_would_swallow_replace_the_guest(registered: list[Registered]) -> None:
    for domain in of_type(registered, "libvirt:index/domain:Domain"):
        assert {"disks", "cloudinit", "cpu", "machine", "#initerror"} <= set(domain.replace_on_changes)
        assert domain.delete_before_replace


def test_no_edit_of_settings_replaces_a_data_volume(registered: list[Registered], stack: str) -> None:
    data = [volume for volume in of_type(registered, "libvirt:index/volume:Volume") if volume.name.endswith("-data")]
    assert data
    for volume in data:
        assert set(volume.inputs) - set(volume.ignore_changes) == {"name"}
        assert volume.inputs["name"].startswith(stack)
        assert volume.protect or stack.endswith("-test")


def test_no_checkout_path_enters_an_input(registered: list[Registered], tmp_path: Path) -> None:
    for resource in registered:
        text = json.dumps(resource.inputs, default=str)
        assert str(tmp_path) not in text, resource.name
        assert str(PROJECT) not in text, resource.name


def test_no_private_key_and_no_password_in_any_input(registered: list[Registered]) -> None:
    for resource in registered:
        text = json.dumps(resource.inputs, default=str)
        assert "PRIVATE KEY" not in text
        for password in (" passwd:", "hashed_passwd", "plain_text_passwd", "chpasswd"):
            assert password not in text


def test_nothing_waits_inside_the_provider(registered: list[Registered]) -> None:
    for domain in of_type(registered, "libvirt:index/domain:Domain"):
        assert domain.inputs["qemuAgent"] is False
        assert all(card["waitForLease"] is False for card in domain.inputs["networkInterfaces"])


def test_every_gateway_ends_in_a_smoke_check_with_a_budget(registered: list[Registered]) -> None:
    checks = of_type(registered, "command:local:Command")
    assert len(checks) == len(of_type(registered, "nordgate:gateway:Gateway"))
    for check in checks:
        plan = json.loads(check.inputs["stdin"])
        assert plan["budget"]["p50"] > 0
        assert plan["budget"]["p99"] > 0
        assert plan["contentHash"]


def test_the_image_is_named_by_its_content(registered: list[Registered], stack: str) -> None:
    images = [volume for volume in of_type(registered, "libvirt:index/volume:Volume") if "source" in volume.inputs]
    assert [image.inputs["name"] for image in images] == [f"{stack}-image-{FAKE_IMAGE[:12]}.qcow2"]


def test_what_is_made_on_a_host_carries_the_stacks_name(registered: list[Registered], stack: str) -> None:
    for resource in registered:
        if resource.type.startswith("libvirt:index/"):
            assert stack in resource.inputs["name"], resource.name


def test_data_volumes_go_to_a_volume_group_that_the_stack_never_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registered = run_program("oslo-test", tmp_path, {"volumeGroup": "fast"})
    (pool,) = of_type(registered, "libvirt:index/pool:Pool")
    assert pool.inputs["type"] == "dir"
    pools = {volume.name: volume.inputs["pool"] for volume in of_type(registered, "libvirt:index/volume:Volume")}
    assert pools.pop("gw1-data") == "fast"
    assert set(pools.values()) == {pool.inputs["name"]}


def test_a_preflight_that_fails_stops_before_anything_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("components.region.Region", lambda *_: pytest.fail("the region is made"))
    found = Finding("poolPath /srv", "vda is a virtio disk", "NVMe of this host", State.FAIL)
    with pytest.raises(pulumi.RunError, match="poolPath /srv  vda is a virtio disk  wanted: NVMe of this host"):
        run_program("oslo-test", tmp_path, report={"host1": [found]})
