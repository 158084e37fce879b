"""Where a stock image's packages come from: apt's sources as a guest gets them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cloudinit import PLATFORMS, SeedDocuments, seed_documents
from tests.unit.cloudinit.samples import gateway, guest

MIRROR = "http://10.8.0.1:3142/debian"
KEY = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawLx+RYJKwYBBAHaRw8BAQdA
=7s3D
-----END PGP PUBLIC KEY BLOCK-----
"""


def seed(platform: str = "debian-13", **packages: Any) -> SeedDocuments:
    return seed_documents(guest(packages={"mode": "install", **packages}), gateway(), PLATFORMS[platform])


def stanzas(documents: SeedDocuments, distribution: str = "debian") -> list[dict[str, str]]:
    """The stanzas of the sources, with folded lines unfolded."""
    text = documents.files[f"/etc/apt/sources.list.d/{distribution}.sources"].content.replace("\n ", " ")
    return [dict(line.split(":", 1) for line in stanza.splitlines()) for stanza in text.split("\n\n")]


def test_without_a_mirror_the_images_own_sources_stay() -> None:
    documents = seed()
    assert not [path for path in documents.files if path.startswith("/etc/apt/sources")]
    assert "apt" not in yaml.safe_load(documents.user_data)


@pytest.mark.parametrize(
    ("platform", "distribution", "suite", "components"),
    [("debian-12", "debian", "bookworm", "main"), ("ubuntu-24.04", "ubuntu", "noble", "main universe")],
)
def test_a_mirror_serves_the_suite_its_updates_and_its_security(
    platform: str, distribution: str, suite: str, components: str
) -> None:
    found = stanzas(seed(platform, mirror=MIRROR), distribution)
    assert [stanza["Suites"].strip() for stanza in found] == [f"{suite} {suite}-updates", f"{suite}-security"]
    assert {stanza["URIs"].strip() for stanza in found} == {MIRROR}
    assert {stanza["Components"].strip() for stanza in found} == {components}
    assert {stanza["Signed-By"].strip() for stanza in found} == {
        f"/usr/share/keyrings/{distribution}-archive-keyring.gpg"
    }


def test_security_updates_may_come_from_elsewhere() -> None:
    found = stanzas(seed(mirror=MIRROR, securityMirror="http://10.8.0.1/security"))
    assert [stanza["URIs"].strip() for stanza in found] == [MIRROR, "http://10.8.0.1/security"]


def test_a_mirrors_own_key_takes_the_place_of_the_distributions() -> None:
    lines = (
        "-----BEGIN PGP PUBLIC KEY BLOCK----- . mDMEawLx+RYJKwYBBAHaRw8BAQdA =7s3D -----END PGP PUBLIC KEY BLOCK-----"
    )
    assert {stanza["Signed-By"].strip() for stanza in stanzas(seed(mirror=MIRROR, key=KEY))} == {lines}


def test_nothing_of_the_images_sources_is_left_beside_a_mirror() -> None:
    documents = seed(mirror=MIRROR)
    assert documents.files["/etc/apt/sources.list"].content.startswith("#")
    # Or cloud-init would write a list of its own, with the distribution's mirrors.
    assert yaml.safe_load(documents.user_data)["apt"] == {"preserve_sources_list": True}


def test_a_proxy_is_told_to_apt() -> None:
    assert yaml.safe_load(seed(proxy="http://10.8.0.1:3128").user_data)["apt"] == {"proxy": "http://10.8.0.1:3128"}
