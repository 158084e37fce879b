"""The libvirt plugin that is built here gives an end to what the provider would wait for without one."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.pulumi_cli import pulumi

_PROGRAM = """
import pulumi, pulumi_libvirt as libvirt
host = libvirt.Provider("host1", uri="qemu:///system?socket=libvirt-sock")
libvirt.Pool("pool", type="dir", opts=pulumi.ResourceOptions(provider=host))
"""


@pytest.mark.long
def test_a_libvirt_that_takes_the_connection_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: probe\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(_PROGRAM.replace("libvirt-sock", f"{tmp_path}/libvirt-sock"))
    (tmp_path / "state").mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/libvirt-sock")
        silent.listen()
        assert pulumi(tmp_path, "stack", "init", "test").returncode == 0
        started = time.monotonic()
        ended = pulumi(tmp_path, "up", "--stack", "test", "--yes", "--skip-preview")
        took = time.monotonic() - started
    assert ended.returncode != 0
    assert "did not answer within 20s: is the host there, and its libvirt running?" in ended.stdout + ended.stderr
    assert took < 120, ended.stdout
