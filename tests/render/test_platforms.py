"""The table of platforms against the distribution's own packages, unpacked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cloudinit import PLATFORMS, Platform
from toolchain.distribution_nginx import SUITES

DEBIAN = [platform for platform in PLATFORMS.values() if platform.suite in SUITES]


@pytest.fixture(params=DEBIAN, ids=lambda platform: platform.name)
def platform(request: pytest.FixtureRequest) -> Platform:
    found: Platform = request.param
    return found


@pytest.fixture
def root(platform: Platform, roots: dict[str, Path]) -> Path:
    return roots[platform.suite]


def said(root: Path, *command: str) -> str:
    done = subprocess.run(["chroot", root, *command], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


def test_every_suite_that_is_unpacked_is_a_platform() -> None:
    assert {platform.suite for platform in DEBIAN} == set(SUITES)


def test_nginx(platform: Platform, root: Path) -> None:
    built = said(root, "nginx", "-V")
    assert f"nginx version: nginx/{platform.nginx}\n" in built
    assert ("--with-http_v3_module" in built) is platform.http3_module


def test_openssl(platform: Platform, root: Path) -> None:
    assert said(root, "openssl", "version").startswith(f"OpenSSL {platform.openssl}.")


def test_cloud_init(platform: Platform, root: Path) -> None:
    text = (root / "usr/lib/python3/dist-packages/cloudinit/version.py").read_text()
    assert re.findall(r'^__VERSION__ = "(.+)"$', text, re.MULTILINE) == [platform.cloud_init]


def test_the_kernel_by_the_headers_of_its_package(platform: Platform, root: Path) -> None:
    text = (root / "usr/include/linux/version.h").read_text()
    numbers = re.findall(r"LINUX_VERSION_(?:MAJOR|PATCHLEVEL) (\d+)", text)
    assert ".".join(numbers) == platform.kernel
