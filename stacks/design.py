"""What each gateway of a stack is to be, worked out from the settings alone: the same wherever it is asked.

The components make it, `render` shows it, `verify` and the smoke check hold the guest to it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudinit import PATHS, GuestSettings, SeedDocuments, platform_named, seed_documents
from hardware import PROFILES, Profile, derived_mac, derived_uuid, domain_stylesheet
from stacks.image import declared
from stacks.latency import latency_plan
from stacks.load import stack_file
from stacks.settings import Settings

DATA_SERIAL = "nordgate-data"
"""How the guest finds its data volume: /dev/disk/by-id/virtio-nordgate-data."""

PLATFORM = "debian-13"


@dataclass(frozen=True)
class GatewayDesign:
    """One gateway: its machine, what it boots from, and where it is reached."""

    stack: str
    name: str
    uuid: str
    mac: str
    hypervisor: str
    profile: Profile
    vcpus: int
    memory: int
    """In bytes."""
    data_volume: int
    """In bytes."""
    console_log: str
    """On the hypervisor."""
    stylesheet: str
    seed: SeedDocuments
    fingerprint: str
    """A hash of everything the guest is made from: with another one, the guest is another."""
    smoke_plan: dict[str, Any]
    """What `python -m smoke` is told."""

    @property
    def domain(self) -> str:
        """The guest's name on the hypervisor."""
        return f"{self.stack}-{self.name}"

    @property
    def mark(self) -> str:
        """The fingerprint as it stands in the names of what is remade with the guest."""
        return self.fingerprint[:12]

    @property
    def url(self) -> str:
        return str(self.smoke_plan["url"])


def design(settings: Settings, stack: str, name: str, image_sha256: str) -> GatewayDesign:
    """The gateway `name` of the stack, on an image with that checksum."""
    gateway = settings.gateways[name]
    host = settings.hypervisors[gateway.hypervisor]
    hardware = settings.hardware
    domain = f"{stack}-{name}"
    uuid = derived_uuid(stack, "domain", domain)
    mac = gateway.mac or derived_mac(stack, name)
    profile = PROFILES[hardware.profile]
    console_log = f"{host.console_logs}/{domain}.log"
    stylesheet = domain_stylesheet(
        profile, uuid=uuid, vcpus=hardware.vcpus, console_log=console_log, data_serial=DATA_SERIAL
    )
    seed = seed_documents(_guest_settings(settings, domain, name, mac), settings.nginx, platform_named(PLATFORM))
    made_from = [seed.content_hash, image_sha256, stylesheet, hardware.vcpus, hardware.memory]
    return GatewayDesign(
        stack=stack,
        name=name,
        uuid=uuid,
        mac=mac,
        hypervisor=gateway.hypervisor,
        profile=profile,
        vcpus=hardware.vcpus,
        memory=hardware.memory,
        data_volume=hardware.data_volume,
        console_log=console_log,
        stylesheet=stylesheet,
        seed=seed,
        fingerprint=hashlib.sha256(json.dumps(made_from).encode()).hexdigest(),
        smoke_plan=_smoke_plan(settings, stack, name, domain, console_log, seed),
    )


def _guest_settings(settings: Settings, domain: str, name: str, mac: str) -> GuestSettings:
    network = settings.network
    return GuestSettings(
        name=domain,
        address=f"{settings.gateways[name].address}/{network.cidr.prefixlen}",
        mac=mac,
        gateway_address=network.router,
        resolvers=network.resolvers,
        ntp_servers=network.time_servers,
        management_networks=network.management,
        authorized_keys=settings.authorized_keys,
        data_serial=DATA_SERIAL,
    )


def _smoke_plan(
    settings: Settings, stack: str, name: str, domain: str, console_log: str, seed: SeedDocuments
) -> dict[str, Any]:
    gateway, smoke = settings.gateways[name], settings.smoke
    server_name = settings.nginx.server_names[0]
    port = settings.nginx.listeners.https
    public_port = int(gateway.entry.rpartition(":")[2]) if gateway.entry else port
    return {
        "stack": stack,
        "gateway": name,
        "url": f"https://{server_name}" + ("" if public_port == 443 else f":{public_port}"),
        "connect": gateway.entry or f"{gateway.address}:{port}",
        "trust": {"guestCertificate": PATHS.certificate},
        "libvirt": {
            "uri": settings.hypervisors[gateway.hypervisor].uri,
            "domain": domain,
            "consoleLog": console_log,
        },
        "contentHash": seed.content_hash,
        "readiness": {"timeoutSeconds": smoke.ready_within},
        "paths": {"proxied": smoke.path},
        **latency_plan(smoke, settings.hypervisors[gateway.hypervisor].uri, f"{gateway.address}:{port}"),
    }


def designs(settings: Settings, stack: str, project: Path) -> list[GatewayDesign]:
    """All gateways of the stack, on the image that it declares. Raises SettingsError when the image is missing."""
    image = declared(settings.image, project, str(stack_file(stack)))
    return [design(settings, stack, name, image.sha256) for name in settings.gateways]
