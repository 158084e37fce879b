"""What holds for every resource of every stack file, seen as the engine would see it."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pulumi
import pytest

from nordgate.preflight.demands import Finding, State
from nordgate.settings.loader import load_file
from nordgate.settings.stack_files import is_test, stack_names
from tests.program.recording import FAKE_IMAGE, PROJECT, Recorded, Registered, run_program

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
SECRETS = {
    "a private key": r"PRIVATE KEY",
    "a password": r"(?i)\b(hashed_|plain_text_)?passw(or)?d\b\"?\s*[:=]|chpasswd",
    "a password in a URL": r"://[^/\s\"@:]+:[^/\s\"@]+@",
    "a cloud key": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "an encrypted setting": r"\bsecure\b\"?\s*:",
    "a token": r"(?i)\bbearer\s+\S|\bgh[ps]_[A-Za-z0-9]{20}",
}
LEAVES = {
    "pulumi:providers:libvirt",
    "libvirt:index/pool:Pool",
    "libvirt:index/network:Network",
    "libvirt:index/volume:Volume",
    "libvirt:index/domain:Domain",
    "command:local:Command",
}


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    """Each program, run once."""
    return {stack: run_program(stack, tmp_path_factory.mktemp(stack)) for stack in STACKS}


@pytest.fixture(params=STACKS)
def recorded(request: pytest.FixtureRequest, every: dict[str, Recorded]) -> Recorded:
    return every[str(request.param)]


@pytest.fixture
def registered(recorded: Recorded) -> list[Registered]:
    return recorded.resources


@pytest.fixture
def stack(recorded: Recorded) -> str:
    return recorded.stack


def of_type(registered: list[Registered], token: str) -> list[Registered]:
    return [resource for resource in registered if resource.type == token]


def test_only_the_designs_components_and_what_they_are_made_of(registered: list[Registered]) -> None:
    found = {resource.type for resource in registered}
    assert found <= COMPONENTS | LEAVES
    # A host with a bridge needs no network of the stack's own.
    assert (COMPONENTS | LEAVES) - found <= {"nordgate:network:Network", "libvirt:index/network:Network"}


def test_every_resource_has_a_parent(registered: list[Registered]) -> None:
    roots = [
        resource.type for resource in registered if resource.parent.split("::")[2:3] in ([], ["pulumi:pulumi:Stack"])
    ]
    assert roots == ["nordgate:region:Region"]


def test_every_libvirt_resource_goes_to_a_declared_hypervisor(registered: list[Registered]) -> None:
    for resource in registered:
        if resource.type.startswith("libvirt:"):
            assert "pulumi:providers:libvirt::" in resource.provider, resource.name


def test_edits_that_the_provider_would_swallow_replace_the_guest(registered: list[Registered]) -> None:
    for domain in of_type(registered, "libvirt:index/domain:Domain"):
        assert {"disks", "cpu", "machine", "#initerror"} <= set(domain.replace_on_changes)
        assert domain.delete_before_replace


def commands(registered: list[Registered], kind: str) -> list[Registered]:
    return [command for command in of_type(registered, "command:local:Command") if command.name.endswith(f"-{kind}")]


def test_a_preview_shows_what_changes_inside_a_guest_and_on_its_network(registered: list[Registered]) -> None:
    for guest in of_type(registered, "nordgate:guest:Guest"):
        files = guest.inputs["files"]
        assert "worker_connections" in files["/etc/nginx/nginx.conf"]
        assert "macaddress:" in files["network-config"]


def test_no_edit_of_settings_replaces_a_data_volume(registered: list[Registered], stack: str) -> None:
    data = commands(registered, "data")
    assert len(data) == len(of_type(registered, "nordgate:gateway:Gateway"))
    for command in data:
        # Only a trigger replaces a command; another size grows the volume in place.
        assert not command.inputs.get("triggers")
        assert command.inputs["update"].endswith("grow-volume")
        assert json.loads(command.inputs["stdin"])["name"].startswith(stack)
        assert command.protect or is_test(stack)


def test_a_guest_is_shut_down_before_its_domain_is_deleted(registered: list[Registered]) -> None:
    power = commands(registered, "power")
    assert len(power) == len(of_type(registered, "libvirt:index/domain:Domain"))
    for command in power:
        assert command.inputs["delete"].endswith("remove")
        assert "create" not in command.inputs
        assert command.delete_before_replace


def test_a_domain_that_is_deleted_alone_takes_its_guest_with_it(registered: list[Registered]) -> None:
    """Its own deletion does nothing on the host: the provider would cut the guest off."""
    ends, domains = commands(registered, "end"), of_type(registered, "libvirt:index/domain:Domain")
    for end, domain in zip(ends, domains, strict=True):
        assert end.inputs["delete"].endswith("remove")
        assert "create" not in end.inputs
        assert end.inputs["triggers"] == [f"{domain.name}-id"]
        assert any(urn.endswith(f"::{domain.name}") for urn in end.depends_on)
        assert end.delete_before_replace


def test_the_next_gateway_waits_for_the_proof_of_the_one_before(registered: list[Registered]) -> None:
    for before, after in itertools.pairwise(commands(registered, "power")):
        proof = before.name.replace("-power", "-check")
        assert any(urn.endswith(f"::{proof}") for urn in after.depends_on)
    domains = of_type(registered, "libvirt:index/domain:Domain")
    for power, domain in zip(commands(registered, "power"), domains, strict=True):
        assert any(urn.endswith(f"::{power.name}") for urn in domain.depends_on)


def test_no_checkout_path_enters_an_input(recorded: Recorded) -> None:
    for resource in recorded.resources:
        text = json.dumps(resource.inputs, default=str)
        assert str(recorded.project) not in text, resource.name
        assert str(PROJECT) not in text, resource.name


def test_no_secret_in_any_input(registered: list[Registered]) -> None:
    for resource in registered:
        text = json.dumps(resource.inputs, default=str)
        for kind, pattern in SECRETS.items():
            assert not re.search(pattern, text), f"{kind} in {resource.name}"


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----", "    passwd: $6$x", "hashed_passwd: x", "{\"password\": \"x\"}",
        "https://user:word@host/", "AKIAABCDEFGHIJKLMNOP", "secure: v1:abc:def", "Authorization: Bearer abc",
    ],
)  # fmt: skip
def test_a_secret_would_be_noticed(text: str) -> None:
    assert any(re.search(pattern, text) for pattern in SECRETS.values())


def test_nothing_waits_inside_the_provider(registered: list[Registered]) -> None:
    for domain in of_type(registered, "libvirt:index/domain:Domain"):
        assert domain.inputs["qemuAgent"] is False
        assert all(card["waitForLease"] is False for card in domain.inputs["networkInterfaces"])


def test_every_gateway_ends_in_a_smoke_check_with_a_budget(registered: list[Registered]) -> None:
    checks = commands(registered, "check")
    assert len(checks) == len(of_type(registered, "nordgate:gateway:Gateway"))
    for check in checks:
        plan = json.loads(check.inputs["stdin"])
        assert plan["budget"]["p50"] > 0
        assert plan["budget"]["p99"] > 0
        assert plan["contentHash"]


def test_the_image_is_named_by_its_content(registered: list[Registered], stack: str) -> None:
    images = [json.loads(image.inputs["stdin"]) for image in commands(registered, "image-volume")]
    settings = load_file(PROJECT, stack)
    mark = (settings.image.sha256 or FAKE_IMAGE)[:16]
    assert [image["name"] for image in images] == [f"{stack}-image-{mark}.qcow2"] * len(settings.hypervisors)


def test_what_is_made_on_a_host_carries_the_stacks_name(registered: list[Registered], stack: str) -> None:
    for resource in registered:
        if resource.type.startswith("libvirt:index/"):
            assert stack in resource.inputs["name"], resource.name


def test_no_two_stacks_share_what_they_make_on_a_host(every: dict[str, Recorded]) -> None:
    """Names, MAC addresses and UUIDs; addresses too, unless a test stack mirrors its own region."""
    for one, other in itertools.combinations(every.values(), 2):
        assert not _identities(one) & _identities(other), f"{one.stack} and {other.stack}"
        mirrors = (is_test(one.stack) or is_test(other.stack)) and _region(one) == _region(other)
        if not mirrors:
            assert not _addresses(one) & _addresses(other), f"{one.stack} and {other.stack}"


def test_two_machines_of_a_stack_share_nothing(recorded: Recorded) -> None:
    domains = recorded.of_type("libvirt:index/domain:Domain")
    assert len(_macs(recorded)) == len(_addresses(recorded)) == len(domains)
    names = [(resource.type, resource.provider, resource.inputs["name"]) for resource in _made(recorded)]
    assert len(names) == len(set(names))


def test_the_outputs_say_what_another_program_needs(recorded: Recorded) -> None:
    settings = load_file(PROJECT, recorded.stack)
    outputs = recorded.outputs
    assert set(outputs) == {"urls", "addresses", "region", "versions", "image", "smoke", "history"}
    assert outputs["addresses"] == {name: str(gateway.address) for name, gateway in settings.gateways.items()}
    assert set(outputs["urls"]) == set(outputs["smoke"]) == set(settings.gateways)
    assert all(url.startswith("https://") for url in outputs["urls"].values())
    assert {"verdict", "p50", "p99"} <= set(outputs["smoke"]["gw1"])
    assert re.fullmatch(r"[0-9a-f]{64}", outputs["image"])
    assert outputs["versions"]["nginx"] == "1.26.3"
    assert outputs["region"]["jurisdiction"] == settings.facts.jurisdiction
    json.dumps(outputs)


def _made(recorded: Recorded) -> list[Registered]:
    return [resource for resource in recorded.resources if resource.type.startswith("libvirt:index/")]


def _identities(recorded: Recorded) -> set[str]:
    sheets = [str(resource.inputs.get("xml", {}).get("xslt", "")) for resource in _made(recorded)]
    uuids = {uuid for sheet in sheets for uuid in re.findall(r"<uuid>([^<]+)</uuid>", sheet)}
    assert uuids
    return uuids | _macs(recorded) | {resource.inputs["name"] for resource in _made(recorded)}


def _macs(recorded: Recorded) -> set[str]:
    return {
        card["mac"]
        for domain in recorded.of_type("libvirt:index/domain:Domain")
        for card in domain.inputs["networkInterfaces"]
    }


def _addresses(recorded: Recorded) -> set[str]:
    return set(recorded.outputs["addresses"].values())


def _region(recorded: Recorded) -> str:
    return str(recorded.outputs["region"]["name"])


def test_data_volumes_go_to_a_volume_group_that_the_stack_never_makes(tmp_path: Path) -> None:
    registered = run_program("oslo-test", tmp_path, {"volumeGroup": "fast"}).resources
    (pool,) = of_type(registered, "libvirt:index/pool:Pool")
    assert pool.inputs["type"] == "dir"
    (data,) = [command for command in of_type(registered, "command:local:Command") if command.name == "gw1-data"]
    assert json.loads(data.inputs["stdin"])["pool"] == "fast"
    (domain,) = of_type(registered, "libvirt:index/domain:Domain")
    assert domain.inputs["disks"][1]["blockDevice"] == "/dev/fast/oslo-test-gw1-data.raw"
    assert {volume.inputs["pool"] for volume in of_type(registered, "libvirt:index/volume:Volume")} == {
        pool.inputs["name"]
    }


def test_a_preflight_that_fails_stops_before_anything_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.region.Region", lambda *_: pytest.fail("the region is made"))
    found = Finding("poolPath /srv", "vda is a virtio disk", "NVMe of this host", State.FAIL)
    with pytest.raises(pulumi.RunError, match="poolPath /srv  vda is a virtio disk  wanted: NVMe of this host"):
        run_program("oslo-test", tmp_path, report={"host1": [found]})
