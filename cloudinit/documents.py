"""The documents that a guest boots from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudinit.files import GuestFile
from cloudinit.gateway_settings import GatewaySettings
from cloudinit.guest_settings import GuestSettings
from cloudinit.nginx import hash_of, nginx_files
from cloudinit.packages import package_config, source_files
from cloudinit.platforms import Platform
from cloudinit.rules import broken_rules
from cloudinit.substance import substance
from cloudinit.system import system_files
from cloudinit.text import yaml_text
from cloudinit.violations import raise_all

# Where nothing is installed, all that cloud-init does fits in one stage: loading the modules of the others costs
# seconds where the CPU is emulated.
_MODULES = (
    "growpart",
    "resizefs",
    "set_hostname",
    "update_etc_hosts",
    "timezone",
    "write_files",
    "users_groups",
    "ssh",
    "bootcmd",
)


@dataclass(frozen=True)
class SeedDocuments:
    """What goes on a guest's seed disk.

    `content_hash` changes with anything that counts of what the guest is made from, which comments do not; it ends the
    instance-id, and boot.json repeats it. `config_hash` is what nginx itself answers at
    `127.0.0.1:<status port>/config-hash`.
    """

    user_data: str
    meta_data: str
    network_config: str
    content_hash: str
    config_hash: str
    files: Mapping[str, GuestFile]


def seed_documents(
    guest: GuestSettings, gateway: GatewaySettings, platform: Platform, made_of: Sequence[str] = ()
) -> SeedDocuments:
    """The seed of one guest. `made_of` names what else it is made from, such as the hash of its image."""
    raise_all("GatewaySettings", broken_rules(guest, gateway, platform))
    nginx, config_hash = nginx_files(guest, gateway, platform)
    files = dict(
        sorted({**system_files(guest, gateway, platform), **source_files(guest.packages, platform), **nginx}.items())
    )
    user_data = "#cloud-config\n" + yaml_text(cloud_config(guest, files))
    network = yaml_text(network_config(guest))
    identity = {"instance": guest.instance or guest.name, "hostname": guest.hostname or guest.name}
    content_hash = hash_of(
        {
            "user-data": yaml_text(cloud_config(guest, {})),
            "network-config": network,
            **identity,
            **{
                f"file {path}": f"{file.mode} {file.owner} {file.deferred}\n{substance(path, file.content)}"
                for path, file in files.items()
            },
            **{f"made of {index}": text for index, text in enumerate(made_of)},
        }
    )
    meta_data = yaml_text(
        {"instance-id": f"{identity['instance']}-{content_hash}", "local-hostname": identity["hostname"]}
    )
    return SeedDocuments(user_data, meta_data, network, content_hash, config_hash, files)


def cloud_config(guest: GuestSettings, files: Mapping[str, GuestFile]) -> dict[str, Any]:
    """The user-data. It holds no secret: whoever can read the seed disk may read it."""
    user: dict[str, Any] = {
        "name": guest.admin_user,
        "gecos": "Administrator",
        "shell": "/bin/bash",
        "lock_passwd": True,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "groups": ["adm", "systemd-journal"],
        # Debian has a group `operator`, with which a new user of that name would collide.
        "primary_group": guest.admin_user,
    }
    if guest.authorized_keys:
        user["ssh_authorized_keys"] = list(guest.authorized_keys)
    config: dict[str, Any] = {
        "preserve_hostname": False,
        "manage_etc_hosts": "localhost",
        "users": [user],
        "disable_root": True,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": ["ed25519"],
        "ssh": {"emit_keys_to_console": False},
        "no_ssh_fingerprints": True,
    }
    if guest.timezone != "Etc/UTC":
        config["timezone"] = guest.timezone
    config.update(package_config(guest))
    config["write_files"] = [_write_file(path, file) for path, file in files.items()]
    # Not waited for: its failure is told by itself, and is none of cloud-init's.
    start = ["systemctl", "start", "--no-block", "nordgate-boot.service"]
    if guest.packages.mode == "install":
        # After the packages, in cloud-init's last stage. The agent first, for it tells what failed: its package leaves
        # the start to udev, which has seen the agent's channel long ago.
        config["runcmd"] = [["systemctl", "start", "--no-block", "qemu-guest-agent.service"], start]
    else:
        # As soon as the files are there, beside the rest of the boot: the last module of an early stage.
        config["bootcmd"] = [start]
        config["cloud_init_modules"] = list(_MODULES)
        config["cloud_config_modules"] = []
        config["cloud_final_modules"] = []
    return config


def network_config(guest: GuestSettings) -> dict[str, Any]:
    """Network configuration, version 2. The card is found by its MAC address and keeps the kernel's name."""
    card: dict[str, Any] = {
        "match": {"macaddress": guest.mac},
        "dhcp4": False,
        "dhcp6": False,
        "accept-ra": False,
        "addresses": [str(guest.address)],
    }
    if guest.address.version == 4:
        # No IPv6 here: waiting for a link-local address would delay the boot by a second.
        card["link-local"] = []
    if guest.gateway_address is not None:
        everywhere = "0.0.0.0/0" if guest.gateway_address.version == 4 else "::/0"
        on_link = {"on-link": True} if guest.gateway_on_link else {}
        card["routes"] = [{"to": everywhere, "via": str(guest.gateway_address), **on_link}]
    if guest.resolvers:
        card["nameservers"] = {"addresses": [str(address) for address in guest.resolvers]}
    if guest.mtu is not None:
        card["mtu"] = guest.mtu
    return {"version": 2, "ethernets": {"uplink": card}}


def _write_file(path: str, file: GuestFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": path, "owner": file.owner, "permissions": file.mode}
    if file.deferred:
        entry["defer"] = True
    return {**entry, "content": file.content}
