"""The libvirt plugin that is built here gives an end to what the provider would wait for without one."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tools.bootstrap.paths import pulumi_environment
from tools.bootstrap.pulumi import command

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
    environment = os.environ | pulumi_environment() | {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state", "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_STACK": "test",
    }  # fmt: skip

    def pulumi(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command(), *words, "--non-interactive", "--color=never"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=150,
        )  # fmt: skip

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/libvirt-sock")
        silent.listen()
        assert pulumi("stack", "init", "test").returncode == 0
        started = time.monotonic()
        ended = pulumi("up", "--yes", "--skip-preview")
        took = time.monotonic() - started
    assert ended.returncode != 0
    assert "did not answer within 20s: is the host there, and its libvirt running?" in ended.stdout + ended.stderr
    assert took < 120, ended.stdout
