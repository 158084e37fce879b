"""The lab's package mirror, without its downloads: apt's index of it, and its signature."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import package_mirror


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # As long as the path of a checkout may be; that of a socket may have 107 bytes.
    home = tmp_path / ("checkout" * 12) / "mirror"
    home.parent.mkdir()
    monkeypatch.setattr(package_mirror, "_HOME", home)
    monkeypatch.setattr(package_mirror, "_KEY", home / "key")
    monkeypatch.setattr(package_mirror, "SERVED", home / "served")
    return home


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A Debian package that holds nothing."""
    control = tmp_path / "hello/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: none\n")
    archive = tmp_path / "hello_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", tmp_path / "hello", archive], check=True, capture_output=True)
    return archive


def test_apt_takes_packages_from_the_mirror_by_its_key_alone(home: Path, package: Path, tmp_path: Path) -> None:
    key = package_mirror.public_key()
    served = home / "served/image"
    (served / "pool").mkdir(parents=True)
    package.rename(served / "pool" / package.name)
    package_mirror._index(served, "trixie", "pool")
    assert policy(tmp_path / "with", served, key) == "1"
    (home / "key").rename(home / "another")
    assert policy(tmp_path / "without", served, package_mirror.public_key()) == "(none)"


def policy(folder: Path, served: Path, key: str) -> str:
    """Which version of `hello` apt would install, when the mirror's index is signed with `key`."""
    for name in ("sources.list.d", "lists/partial", "cache/archives/partial", "preferences.d", "apt.conf.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    signed_by = "".join(f" {line or '.'}\n" for line in key.splitlines())
    (folder / "sources.list.d/lab.sources").write_text(
        f"Types: deb\nURIs: file:{served}\nSuites: trixie\nComponents: main\nSigned-By:\n{signed_by}"
    )
    (folder / "apt.conf").write_text(
        f'Dir::Etc "{folder}";\nDir::State::lists "{folder}/lists";\nDir::State::status "{folder}/status";\n'
        f'Dir::Cache "{folder}/cache";\nAPT::Sandbox::User "root";\n'
        'APT::Architecture "amd64";\nAPT::Architectures { "amd64"; };\n'
    )
    environment = {"APT_CONFIG": str(folder / "apt.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(["apt-get", "update"], env=environment, capture_output=True, check=False)
    shown = subprocess.run(
        ["apt-cache", "policy", "hello"], env=environment, capture_output=True, text=True, check=True
    )
    return next((line.split()[1] for line in shown.stdout.splitlines() if "Candidate:" in line), "(none)")


def test_the_key_is_made_once(home: Path) -> None:
    assert package_mirror.public_key() == package_mirror.public_key()
    assert not list(home.glob("tmp*"))


def test_a_filled_mirror_is_filled_again_only_for_another_image_or_key(
    home: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: dict[str, str] = {}
    downloads: list[str] = []

    def download(*arguments: Any) -> None:
        suite, _, _, _, pool = arguments
        downloads.append(suite)
        pool.mkdir(parents=True)
        (pool / package.name).write_bytes(package.read_bytes())

    monkeypatch.setattr(package_mirror, "_download", download)
    monkeypatch.setattr(package_mirror, "stamp", done.__setitem__)
    monkeypatch.setattr(package_mirror, "stamped", lambda name, mark: done.get(name) == mark)
    status = tmp_path / "status"
    for text in ("one", "one", "two"):
        status.write_text(text)
        package_mirror.fill("image", "trixie", status, ["hello"])
    assert downloads == ["trixie", "trixie"]
    (home / "key").rename(home / "lost")
    package_mirror.fill("image", "trixie", status, ["hello"])
    assert downloads == ["trixie", "trixie", "trixie"]
    suites = sorted(path.name for path in (home / "served/image/dists").iterdir())
    assert suites == ["trixie", "trixie-security", "trixie-updates"]
