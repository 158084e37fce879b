"""The documents of the seed: what is in them, and that they never change by themselves."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudinit import PATHS, PLATFORMS, SeedDocuments, checks_for, seed_documents
from cloudinit.text import yaml_text
from tests.unit.cloudinit.samples import SSH_KEY, gateway, guest

TRIXIE = PLATFORMS["debian-13"]


def seed(**changes: Any) -> SeedDocuments:
    return seed_documents(guest(**changes), gateway(), TRIXIE)


def user_data(documents: SeedDocuments) -> dict[str, Any]:
    assert documents.user_data.startswith("#cloud-config\n")
    parsed: dict[str, Any] = yaml.safe_load(documents.user_data)
    return parsed


def test_the_instance_id_ends_with_the_content_hash() -> None:
    documents = seed()
    meta = yaml.safe_load(documents.meta_data)
    assert meta == {"instance-id": f"oslo-test-gw1-{documents.content_hash}", "local-hostname": "gw1"}


@pytest.mark.parametrize("change", [{"mac": "52:54:00:00:00:02"}, {"hostname": "other"}, {"timezone": "Europe/Oslo"}])
def test_any_change_changes_the_content_hash(change: dict[str, Any]) -> None:
    assert seed(**change).content_hash != seed().content_hash


def test_what_else_the_guest_is_made_of_changes_the_content_hash() -> None:
    hashes = {
        seed_documents(guest(), gateway(), TRIXIE, made_of).content_hash for made_of in ((), ("image 1",), ("image 2",))
    }
    assert len(hashes) == 3


@pytest.mark.parametrize("number", range(6))
def test_ready_asks_for_the_rest_of_the_routes_wherever_that_is_listed(number: int) -> None:
    """A route that is added before it moves nothing."""
    routes = [
        {"path": "/", "upstream": "api"}, {"path": "/web/", "upstream": "web"},
        {"path": "/", "upstream": "web", "exact": True},
    ]  # fmt: skip
    groups = {"api": {"servers": ["10.8.0.2:80"]}, "web": {"servers": ["10.8.0.3:80"]}}
    order = list(itertools.permutations(routes))[number]
    assert gateway(upstreams=groups, routes=order).ready.upstream == "api"
    told = gateway(upstreams=groups, routes=order[:1], readiness={"upstream": "web"})
    assert told.ready.upstream == "web"


def test_the_config_hash_follows_nginx_only() -> None:
    assert seed(timezone="Europe/Oslo").config_hash == seed().config_hash
    other = seed_documents(guest(), gateway(concurrentClients=100), TRIXIE)
    assert other.config_hash != seed().config_hash


def test_nginx_answers_its_own_config_hash() -> None:
    documents = seed()
    assert f'return 200 "{documents.config_hash}\\n";' in documents.files[f"{PATHS.nginx}/status.conf"].content


def test_another_process_with_another_hash_seed_renders_the_same_bytes() -> None:
    program = (
        "from tests.unit.cloudinit.samples import gateway, guest\n"
        "from cloudinit import PLATFORMS, seed_documents\n"
        "print(seed_documents(guest(), gateway(), PLATFORMS['debian-13']).content_hash)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": number, "LC_ALL": "C", "TZ": "Asia/Tokyo"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for number in ("1", "2")
    }
    assert outputs == {seed().content_hash}


def test_nothing_in_the_seed_is_secret() -> None:
    documents = seed(authorizedKeys=[SSH_KEY])
    assert not re.search(
        r"PRIVATE KEY|passwd:|password:|plain_text_passwd", documents.user_data.replace("lock_passwd", "")
    )


def test_nobody_has_a_password_and_root_cannot_log_in() -> None:
    config = user_data(seed())
    assert [(user["name"], user["lock_passwd"]) for user in config["users"]] == [("operator", True)]
    assert config["disable_root"] is True
    sshd = seed().files["/etc/ssh/sshd_config.d/10-nordgate.conf"].content
    assert "PermitRootLogin no\nPasswordAuthentication no\n" in sshd


def test_every_file_is_written_as_it_was_rendered() -> None:
    documents = seed()
    written = {file["path"]: file["content"] for file in user_data(documents)["write_files"]}
    assert written == {path: file.content for path, file in documents.files.items()}


def test_a_stock_image_gets_its_packages_first_and_nginx_files_after_them() -> None:
    config = user_data(seed(packages={"mode": "install"}))
    assert "nginx" in config["packages"]
    deferred = {file["path"] for file in config["write_files"] if file.get("defer")}
    assert "/etc/nginx/nginx.conf" in deferred
    assert config["runcmd"][-1] == ["systemctl", "start", "--no-block", "nordgate-boot.service"]


def test_the_agent_of_a_stock_image_is_started_before_anything_can_fail() -> None:
    config = user_data(seed(packages={"mode": "install"}))
    assert config["runcmd"][0] == ["systemctl", "start", "--no-block", "qemu-guest-agent.service"]


def test_a_prepared_image_installs_nothing_and_starts_early() -> None:
    config = user_data(seed())
    assert "packages" not in config
    assert config["cloud_init_modules"][-1] == "bootcmd"
    assert config["bootcmd"] == [["systemctl", "start", "--no-block", "nordgate-boot.service"]]


def test_the_network_card_is_found_by_its_mac_address() -> None:
    card = yaml.safe_load(seed().network_config)["ethernets"]["uplink"]
    assert card["match"] == {"macaddress": "52:54:00:12:34:56"}
    assert card["addresses"] == ["10.8.0.11/24"]
    assert card["routes"] == [{"to": "0.0.0.0/0", "via": "10.8.0.1"}]
    assert "gateway4" not in card


def test_unattended_upgrades_are_wholly_on_or_wholly_off() -> None:
    for switch, digit in ((True, "1"), (False, "0")):
        documents = seed(unattendedUpgrades=switch)
        conf = documents.files["/etc/apt/apt.conf.d/90-nordgate"].content
        assert set(re.findall(r'^APT::Periodic::\S+ "(.)";$', conf, re.MULTILINE)) == {digit}
        assert ('Dpkg::Options:: "--force-confold";\n' in conf) is switch
        assert ('Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";\n' in conf) is switch
        assert 'APT::Keep-Downloaded-Packages "false";\n' in conf
        # Where the package is missing, the boot fails and says so.
        assert ("unattended-upgrade;" in documents.files[PATHS.boot].content) is switch
        assert ("$timer is masked" in documents.files[PATHS.boot].content) is switch


def test_ssh_is_let_in_from_the_management_networks_only() -> None:
    rules = seed(managementNetworks=["10.9.0.0/24"]).files["/etc/nftables.conf"].content
    assert [line.strip() for line in rules.splitlines() if "22" in line] == ["ip saddr 10.9.0.0/24 tcp dport 22 accept"]
    assert "22" not in seed(managementNetworks=[]).files["/etc/nftables.conf"].content


def test_udp_is_open_for_http3_only() -> None:
    assert "udp" not in seed().files["/etc/nftables.conf"].content
    http3 = seed_documents(guest(), gateway(tls={"http3": True}), TRIXIE)
    assert "udp dport 443 accept" in http3.files["/etc/nftables.conf"].content


def test_a_listener_in_the_ephemeral_range_is_reserved() -> None:
    documents = seed_documents(guest(), gateway(listeners={"status": 20000}), TRIXIE)
    assert "net.ipv4.ip_local_reserved_ports = 20000\n" in documents.files["/etc/sysctl.d/60-nordgate.conf"].content


def test_floors_are_never_written_by_systemd() -> None:
    conf = seed().files["/etc/sysctl.d/60-nordgate.conf"].content
    assert "fs.file-max" not in conf
    assert "floor /proc/sys/fs/file-max 2097152\n" in seed().files[PATHS.kernel].content


def test_the_conntrack_table_has_a_bucket_for_each_entry_and_no_more_entries_than_declared() -> None:
    """Each stands in the table twice: chains of two, where it is full. The module's own option would make eight times
    as many entries of the buckets."""
    for entries in (1_048_576, 262_144):
        tuned = gateway(kernel={"sysctl": {"net.netfilter.nf_conntrack_max": entries}})
        documents = seed_documents(guest(), tuned, TRIXIE)
        assert f'[ "$running" -ge {entries} ] || echo {entries} >$buckets\n' in documents.files[PATHS.boot].content
        assert not any("hashsize=" in file.content for file in documents.files.values())
        check = next(check for check in checks_for(tuned, TRIXIE) if check.key.endswith("hashsize"))
        assert check.expected == str(entries)


def test_bbr_brings_its_modules_its_queue_and_its_checks() -> None:
    tuned = gateway(kernel={"bbr": True})
    documents = seed_documents(guest(), tuned, TRIXIE)
    wanted = {"net.core.default_qdisc": "fq", "net.ipv4.tcp_congestion_control": "bbr"}
    assert documents.files["/etc/modules-load.d/nordgate.conf"].content.split() == ["nf_conntrack", "sch_fq", "tcp_bbr"]
    script = documents.files[PATHS.boot].content
    assert "modprobe --all nf_conntrack sch_fq tcp_bbr\n" in script
    # Cards are up before the boot script sets the default: without this, fq comes with the second boot only.
    assert script.index("step kernel") < script.index("tc qdisc delete dev") < script.index("step data")
    for key, value in wanted.items():
        assert f"\n{key} = {value}\n" in documents.files["/etc/sysctl.d/60-nordgate.conf"].content
        assert f"\nset /proc/sys/{key.replace('.', '/')} {value}\n" in documents.files[PATHS.kernel].content
    checks = {check.key: (check.comparison, check.expected) for check in checks_for(tuned, TRIXIE)}
    assert {key: checks[key] for key in wanted} == {key: ("==", value) for key, value in wanted.items()}


def test_without_bbr_nothing_of_it_is_rendered_or_checked() -> None:
    text = "".join(file.content for file in seed().files.values())
    assert not re.search(r"bbr|sch_fq|qdisc", text)
    assert not {check.key for check in checks_for(gateway(), TRIXIE)} & {
        "net.core.default_qdisc",
        "net.ipv4.tcp_congestion_control",
    }


def test_the_boot_script_is_sound() -> None:
    script = seed().files[PATHS.boot].content
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


# YAML's own limit for a key is 1024 characters.
keys = st.text(max_size=40)
leaves = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(
    leaves,
    lambda inner: st.lists(leaves | st.dictionaries(keys, inner, min_size=1)) | st.dictionaries(keys, inner),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(keys, values, min_size=1))
def test_yaml_reads_back_what_was_written(value: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(value)) == value
