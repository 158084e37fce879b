"""The boot script's step that makes a certificate: the pair is for every declared name, and a delivered one stays."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cloudinit import PATHS, PLATFORMS, GuestSettings, seed_documents
from tests.unit.cloudinit.samples import gateway, guest


def boot(folder: Path, *names: str, **changes: Any) -> None:
    """Run the step of a guest with these server names on the data volume in `folder`."""
    settings: GuestSettings = guest(**changes)
    documents = seed_documents(settings, gateway(serverNames=list(names)), PLATFORMS["debian-13"])
    step = re.search(
        r"^step tls\n(.*?)^# What cloud-init", documents.files[PATHS.boot].content, re.MULTILINE | re.DOTALL
    )
    assert step
    script = 'set -euo pipefail; shopt -s inherit_errexit; fail() { echo "$*" >&2; exit 1; }\n' + step[1]
    script = script.replace(PATHS.tls, str(folder))
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)


def certificate(folder: Path) -> str:
    told = ["-ext", "subjectAltName", "-fingerprint"]
    file = folder / "current/server.crt"
    return subprocess.run(
        ["openssl", "x509", "-noout", *told, "-in", file], check=True, capture_output=True, text=True
    ).stdout


def test_a_pair_that_is_for_every_declared_name_is_kept(tmp_path: Path) -> None:
    boot(tmp_path, "a.example.net", "b.example.net")
    before = certificate(tmp_path)
    boot(tmp_path, "a.example.net", "b.example.net")
    boot(tmp_path, "b.example.net")
    assert certificate(tmp_path) == before


@pytest.mark.parametrize("names", [("a.example.net", "new.example.net"), ("example.net",), ("aa.example.net",)])
def test_a_new_server_name_reaches_a_pair_that_was_made_here(tmp_path: Path, names: tuple[str, ...]) -> None:
    boot(tmp_path, "a.example.net")
    before = certificate(tmp_path)
    boot(tmp_path, *names)
    after = certificate(tmp_path)
    assert after != before
    assert all(f"DNS:{name}" in after for name in names)


@pytest.mark.parametrize(("address", "shown"), [("10.8.0.12/24", "10.8.0.12"), ("fd00::12/64", "FD00:0:0:0:0:0:0:12")])
def test_a_new_address_reaches_it_too_and_once_only(tmp_path: Path, address: str, shown: str) -> None:
    boot(tmp_path, "a.example.net")
    changes: dict[str, Any] = {
        "address": address,
        "gatewayAddress": None,
        "resolvers": [],
        "ntpServers": [],
        "managementNetworks": [],
    }
    boot(tmp_path, "a.example.net", **changes)
    after = certificate(tmp_path)
    assert f"IP Address:{shown}" in after
    boot(tmp_path, "a.example.net", **changes)
    assert certificate(tmp_path) == after


@pytest.mark.parametrize("days", [1, 20])
def test_a_pair_made_here_is_made_again_before_it_expires(tmp_path: Path, days: int) -> None:
    boot(tmp_path, "a.example.net")
    self_made(tmp_path / "self-signed", "a.example.net", days)
    before = certificate(tmp_path)
    boot(tmp_path, "a.example.net")
    assert certificate(tmp_path) != before


def test_a_delivered_pair_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "delivered").mkdir()
    self_made(tmp_path / "delivered", "other.example.net", days=1)
    (tmp_path / "current").symlink_to("delivered")
    before = certificate(tmp_path)
    boot(tmp_path, "a.example.net")
    assert certificate(tmp_path) == before


def self_made(folder: Path, name: str, days: int) -> None:
    words = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days {days} -subj /CN=x"
    words += f" -addext subjectAltName=DNS:{name},IP:10.8.0.11"
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
