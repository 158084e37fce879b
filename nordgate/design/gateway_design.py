"""What each gateway of a stack is to be, worked out from the settings alone: the same wherever it is asked.

The components make it, `render` shows it, `verify` and the smoke check hold the guest to it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudinit import (
    PLATFORMS,
    SeedDocuments,
    seed_documents,
)
from nordgate.design.check_plan import gateway_settings, smoke_plan
from nordgate.design.image import VerifiedImage, declared
from nordgate.machine import Machine, canonical_stylesheet, derived_uuid, domain_stylesheet
from nordgate.settings.guest_inputs import DATA_SERIAL, guest_settings
from nordgate.settings.stack_files import stack_file
from nordgate.settings.stack_settings import Settings

SEED_SERIAL = "nordgate-seed"

SHUT_DOWN_SECONDS = 60.0
"""As long as a guest may take: nginx lets its requests finish for half a minute."""


def shared_name(stack: str) -> str:
    """The name of the pool, and of the closed network, that the stack makes on each host."""
    return f"nordgate-{stack}"


def image_name(stack: str, image: VerifiedImage) -> str:
    """The image in a host's pool, by its content: another image is another volume."""
    return f"{stack}-image-{image.checksum[:16]}.qcow2"


@dataclass(frozen=True)
class GatewayDesign:
    """One gateway: its machine, what it boots from, and where it is reached."""

    stack: str
    name: str
    hypervisor: str
    uri: str
    machine: Machine
    data_pool: str
    """The pool that the data volume lies in: the stack's own, or libvirt's of the host's volume group."""
    data_bytes: int
    """Size of the data volume."""
    stylesheet: str
    seed: SeedDocuments
    fingerprint: str
    """Hash of everything that the guest is made from. With another hash the guest is replaced."""
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

    def root_volume(self, mark: str) -> str:
        """The name of the disk that the guest boots from."""
        return f"{self.domain}-root-{mark}." + ("raw" if self.machine.profile.root == "flat" else "qcow2")

    def seed_volume(self, mark: str) -> str:
        """The name of the disk with the seed documents."""
        return f"{self.domain}-seed-{mark}.raw"

    def own_volumes(self, number: int) -> frozenset[str]:
        """The names of what is made anew with the guest of that number."""
        mark = self.mark_of_guest(number)
        return frozenset((self.root_volume(mark), self.seed_volume(mark)))

    @property
    def own_prefixes(self) -> tuple[str, ...]:
        """How the names of all such volumes of the gateway begin."""
        return f"{self.domain}-root-", f"{self.domain}-seed-"

    def mark_of_guest(self, number: int) -> str:
        """The mark of the guest with that number: another one for each that had to be made anew."""
        return f"{self.mark}-{number}" if number else self.mark

    @property
    def data_volume_request(self) -> str:
        """What `python -m hosts` is told about the data volume."""
        request = {"uri": self.uri, "pool": self.data_pool, "name": self.data_name, "bytes": self.data_bytes}
        return json.dumps(request | {"domain": self.domain})

    @property
    def shut_down_request(self) -> str:
        """What `python -m hosts` is told to delete the guest."""
        return json.dumps({"uri": self.uri, "domain": self.domain, "within": SHUT_DOWN_SECONDS})

    @property
    def data_name(self) -> str:
        """The data volume's name in its pool. In a volume group it is raw too: a logical volume has no other format."""
        return data_name(self.domain)

    @property
    def url(self) -> str:
        """What a person opens: https://HOST[:PORT]."""
        return str(self.smoke_plan["url"])


def data_name(domain: str) -> str:
    """The name of a guest's data volume, for as long as the gateway lives."""
    return f"{domain}-data.raw"


def design(settings: Settings, stack: str, name: str, image_checksum: str) -> GatewayDesign:
    """The gateway `name` of the stack, on an image with that checksum."""
    gateway = settings.gateways[name]
    host = settings.hypervisors[gateway.hypervisor]
    hardware = settings.hardware
    domain = f"{stack}-{name}"
    platform = PLATFORMS[settings.image.platform]
    guest = guest_settings(
        stack,
        name,
        gateway,
        settings.network,
        settings.authorized_keys,
        settings.facts.time_zone,
        settings.facts.unattended_upgrades,
        settings.image.packages,
    )
    seed = seed_documents(guest, gateway_settings(settings, stack, name), platform)
    machine = Machine(
        profile=hardware,
        uuid=derived_uuid(stack, "domain", domain),
        mac=guest.mac,
        vcpus=hardware.vcpus,
        memory=hardware.memory,
        console_log=f"{host.console_logs}/{domain}.log",
        pool_path=host.pool_path,
        data_path=f"{f'/dev/{host.volume_group}' if host.volume_group else host.pool_path}/{data_name(domain)}",
        data_serial=DATA_SERIAL,
        seed_serial=SEED_SERIAL,
        pinning=gateway.pinning,
        nvme_controller=gateway.nvme_controller,
        open_vswitch=host.open_vswitch is not None,
    )
    stylesheet = domain_stylesheet(machine)
    # The rest of the hardware is in the stylesheet.
    by_provider = [machine.vcpus, machine.memory, hardware.accelerator, hardware.root, hardware.machine_type]
    made_from = [seed.content_hash, image_checksum, canonical_stylesheet(stylesheet), *by_provider]
    return GatewayDesign(
        stack=stack,
        name=name,
        hypervisor=gateway.hypervisor,
        uri=host.uri,
        machine=machine,
        data_pool=host.volume_group or shared_name(stack),
        data_bytes=hardware.data_volume,
        stylesheet=stylesheet,
        seed=seed,
        fingerprint=hashlib.sha256(json.dumps(made_from).encode()).hexdigest(),
        smoke_plan=smoke_plan(settings, stack, name, domain, machine.console_log, guest, seed),
    )


def versions(settings: Settings) -> dict[str, str]:
    """What the gateways are declared to run: the platform, and what its own packages are."""
    platform = PLATFORMS[settings.image.platform]
    return {"platform": platform.name, "nginx": platform.nginx, "openssl": platform.openssl, "kernel": platform.kernel}


def describe(settings: Settings) -> dict[str, Any]:
    """The region, for programs that build on this stack."""
    facts = settings.facts
    return {
        "name": settings.region,
        "jurisdiction": facts.jurisdiction,
        "timeZone": facts.time_zone,
        "network": str(facts.network.cidr),
        "serverNames": list(facts.nginx.server_names),
        "budgetScale": settings.budget_scale,
    }


def designs(settings: Settings, stack: str, project: Path) -> list[GatewayDesign]:
    """All gateways of the stack, on the image that it declares. Raises SettingsError when the image is missing."""
    image = declared(settings.image, project, str(stack_file(stack)))
    return [design(settings, stack, name, image.checksum) for name in settings.gateways]
