"""From a stack's settings to the texts that it puts on its machines: no hypervisor, no image, no secret, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from cloudinit import SeedDocuments
from nordgate.cli.review.domain_xml import domain_xml
from nordgate.deployment.transition import WAYS, GatewayRecord
from nordgate.design.gateway_design import GatewayDesign, design, shared_name
from nordgate.machine import derived_uuid
from nordgate.settings.stack_settings import Settings

Tree = Mapping[str, str]
"""Texts by their paths."""

ONE_BY_ONE, ALL_AT_ONCE = "one at a time", "all at once"
"""How a stack's gateways are updated."""

BAKED = "(of the image that is baked here)"
_ANY_IMAGE = "0" * 64
_FINGERPRINT, _CONTENT_HASH, _CONFIG_HASH, _FILE_HASH = "FINGERPRINT", "CONTENT-HASH", "CONFIG-HASH", "FILE-HASH"
"""Stand for what is derived from everything else: a change of it is a change elsewhere, shown there."""


def rendered(settings: Settings, stack: str) -> Tree:
    """Everything that the stack would put on its machines."""
    image = settings.image
    named = {"file": image.file} if image.file else {"url": image.url}
    checksum = {"sha512": image.sha512} if image.sha512 else {"sha256": image.sha256 or BAKED}
    tree = {"image.yaml": _yaml(**named, **checksum, platform=image.platform)}
    for name in settings.hypervisors:
        tree[f"hosts/{name}.yaml"] = _host(settings, stack, name)
    for name in settings.gateways:
        made = design(settings, stack, name, image.sha512 or image.sha256 or _ANY_IMAGE)
        tree |= {f"gateways/{name}/{path}": text for path, text in _gateway(settings, made).items()}
    return tree


def standings(tree: Tree) -> dict[str, GatewayRecord]:
    """The gateways that a tree shows, as they are to stand."""
    names = [path.split("/")[1] for path in tree if path.startswith("gateways/") and path.endswith("/gateway.yaml")]
    gateways = {name: yaml.safe_load(tree[f"gateways/{name}/gateway.yaml"]) for name in names}
    hosts = {path: yaml.safe_load(text) for path, text in tree.items() if path.startswith("hosts/")}
    return {
        name: _standing(gateway, hosts[f"hosts/{gateway['hypervisor']}.yaml"]) for name, gateway in gateways.items()
    }


def _standing(gateway: Mapping[str, Any], host: Mapping[str, Any]) -> GatewayRecord:
    way = next((setting for setting in ("bridge", "openVswitch", "macvtap") if host.get(setting)), "network")
    device = host["network"]["cidr"] if way == "network" else host[way]
    return GatewayRecord(
        hypervisor=gateway["hypervisor"],
        uri=host["uri"],
        pool_path=host["pool"]["path"],
        volume_group=host.get("volumeGroup", ""),
        network=f"{WAYS.get(way, way)} {device}",
        address=gateway["address"],
        mac=gateway["mac"].lower(),
        data_bytes=int(gateway["dataVolume"]["size"].removesuffix("MiB")) << 20,
        protected=gateway["dataVolume"]["protected"],
    )


def documents(seed: SeedDocuments) -> Tree:
    """A seed as a reviewer wants to see it: the documents without the files' contents, and the files."""
    head = seed.user_data.split("\nwrite_files:\n")[0] + "\n"
    tail = seed.user_data.rpartition("\nbootcmd:\n" if "\nbootcmd:\n" in seed.user_data else "\nruncmd:\n")
    files = {f"files{path}": file.content for path, file in seed.files.items()}
    modes = "".join(f"{file.mode} {file.owner} {path}\n" for path, file in seed.files.items())
    return {
        "user-data": head + "# ... write_files: see files/\n" + (tail[1] + tail[2]).lstrip("\n"),
        "meta-data": seed.meta_data,
        "network-config": seed.network_config,
        "modes": modes,
        **files,
    }


def _host(settings: Settings, stack: str, name: str) -> str:
    host, made = settings.hypervisors[name], shared_name(stack)
    network = {"name": made, "uuid": derived_uuid(stack, "network", made), "cidr": str(settings.network.cidr)}
    if settings.network.mtu:
        network["mtu"] = str(settings.network.mtu)
    way: dict[str, object] = {**host.ways} or {"network": network}
    return _yaml(
        uri=host.uri,
        pool={"name": made, "uuid": derived_uuid(stack, "pool", made), "path": host.pool_path},
        **({"volumeGroup": host.volume_group} if host.volume_group else {}),
        **way,
    )


def _gateway(settings: Settings, made: GatewayDesign) -> Tree:
    texts = {
        "gateway.yaml": _yaml(
            domain=made.domain,
            uuid=made.machine.uuid,
            hypervisor=made.hypervisor,
            address=str(settings.gateways[made.name].address),
            mac=made.machine.mac,
            url=made.url,
            dataVolume={"size": f"{made.data_bytes >> 20}MiB", "protected": settings.protect_data},
            updated=ALL_AT_ONCE if settings.parallel else ONE_BY_ONE,
        ),
        "domain.xslt": made.stylesheet,
        "domain.xml": domain_xml(settings, made, _FINGERPRINT),
        "smoke.json": json.dumps(_quiet(made.smoke_plan), indent=2, sort_keys=True) + "\n",
        **documents(made.seed),
    }
    derived = {made.seed.content_hash: _CONTENT_HASH, made.seed.config_hash: _CONFIG_HASH}
    return {path: _replaced(text, derived) for path, text in texts.items()}


def _quiet(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """The smoke plan without the hashes of files that are in the tree themselves."""
    guest = plan["guest"]
    return {**plan, "guest": guest | {"files": dict.fromkeys(guest["files"], _FILE_HASH)}}


def _replaced(text: str, values: Mapping[str, str]) -> str:
    for before, after in values.items():
        text = text.replace(before, after)
    return text


def _yaml(**values: Any) -> str:
    text: str = yaml.safe_dump(values, sort_keys=False)
    return text
