"""A staple is really served: by the rendered nginx, from an OCSP responder and an authority of the tests' own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from cloudinit import PATHS, PLATFORMS, GatewaySettings, seed_documents
from tests.render.authority import Pair
from tests.render.backends import Backends
from tests.render.chains import Issued, issued
from tests.render.served import GUEST, NAME, network_of_its_own, running
from tests.render.sites import Site

RESPONDER = ("127.0.0.80", 8080)
WITHIN = 15
"""Seconds for nginx to have asked the responder, which the first handshake makes it do."""
GATEWAY = GatewaySettings.model_validate(
    {
        "serverNames": [NAME],
        "upstreams": {"api": {"servers": ["127.0.0.2:9001"]}},
        "routes": [{"path": "/", "upstream": "api"}],
        "tls": {"ocspStapling": True},
        "concurrentClients": 500,
    }
)


@pytest.fixture(scope="module")
def authorities() -> tuple[Issued, Issued]:
    """A root, and what it lets sign."""
    root = issued("Root of the tests", authority=True)
    return root, issued("Intermediate of the tests", root, authority=True)


@contextmanager
def responder(folder: Path, leaf: Issued, issuer: Issued, signer: Issued, state: str) -> Iterator[None]:
    """`openssl ocsp` at RESPONDER, from when it listens; `state` is V (valid) or R (revoked)."""
    ends = leaf.certificate.not_valid_after_utc.strftime("%y%m%d%H%M%SZ")
    since = leaf.certificate.not_valid_before_utc.strftime("%y%m%d%H%M%SZ") if state == "R" else ""
    serial = f"{leaf.certificate.serial_number:X}"
    serial = serial.zfill(len(serial) + len(serial) % 2)
    (folder / "index.txt").write_text(f"{state}\t{ends}\t{since}\t{serial}\tunknown\t/CN={NAME}\n")
    for name, text in (("issuer.pem", issuer.pem), ("signer.pem", signer.pem), ("signer.key", signer.key_pem)):
        (folder / name).write_text(text)
    words = "openssl ocsp -index index.txt -CA issuer.pem -rsigner signer.pem -rkey signer.key -ndays 1"
    with (folder / "responder").open("w") as output:
        process = subprocess.Popen(
            [*words.split(), "-port", str(RESPONDER[1])], cwd=folder, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + WITHIN
        # It serves one connection after the other, so none is spent on finding out whether it listens.
        while "waiting for OCSP client" not in (said := (folder / "responder").read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, "the responder does not listen"
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait(10)


def staple(folder: Path) -> str:
    """What a client is told about revocation in one handshake."""
    words = f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} -status -CAfile root.pem"
    done = subprocess.run(
        words.split(), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=20
    )
    return done.stdout


def awaited(folder: Path, words: str) -> str:
    """The first handshake that has `words`, or the last within the time."""
    deadline = time.monotonic() + WITHIN
    while words not in (told := staple(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return told


@contextmanager
def stapling(
    roots: dict[str, Path], folder: Path, platform: str, chain: tuple[Issued, ...], root: Issued
) -> Iterator[Path]:
    """The gateway with that chain, its own certificate first; what nginx says goes to the log that is yielded."""
    guest = GUEST.model_copy(update={"resolvers": (ip_address("127.0.0.53"),)})
    documents = seed_documents(guest, GATEWAY, PLATFORMS[platform])
    (folder / "root.pem").write_text(root.pem)
    (folder / "chain.pem").write_text("".join(one.pem for one in chain))
    (folder / "chain.key").write_text(chain[0].key_pem)
    pair = Pair(folder / "chain.pem", folder / "chain.key")
    site = Site.make(roots[PLATFORMS[platform].suite], folder / "site", documents.files, pair)
    with running(site, Backends(), documents.config_hash, folder / "root.pem"):
        yield site.folder / PATHS.log.lstrip("/") / "error.log"


@pytest.mark.parametrize("delegated", [False, True], ids=["signed by the issuer", "signed for the issuer"])
@pytest.mark.parametrize("platform", ["debian-12", "debian-13"])
def test_a_staple_is_served_for_a_certificate_that_names_a_responder(
    platform: str, delegated: bool, authorities: tuple[Issued, Issued], roots: dict[str, Path], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    root, intermediate = authorities
    url = f"http://{RESPONDER[0]}:{RESPONDER[1]}/"
    leaf = issued(NAME, intermediate, alternatives=[NAME], responder=url)
    signer = issued("Responder", intermediate, usage=ExtendedKeyUsageOID.OCSP_SIGNING) if delegated else intermediate
    with (
        network_of_its_own(),
        responder(tmp_path, leaf, intermediate, signer, "V"),
        stapling(roots, tmp_path, platform, (leaf, intermediate), root) as log,
    ):
        told = awaited(tmp_path, "Cert Status: good")
        said = log.read_text()
    assert "OCSP Response Status: successful" in told, said
    assert "Cert Status: good" in told, said
    assert "Verify return code: 0 (ok)" in told


@pytest.mark.parametrize("platform", ["debian-12", "debian-13"])
def test_no_staple_says_that_a_certificate_was_revoked(
    platform: str, authorities: tuple[Issued, Issued], roots: dict[str, Path], tmp_path: Path
) -> None:
    """A client that asks the responder itself is told, and one that wants a staple gets none."""
    tmp_path.chmod(0o755)
    root, intermediate = authorities
    leaf = issued(NAME, intermediate, alternatives=[NAME], responder=f"http://{RESPONDER[0]}:{RESPONDER[1]}/")
    with (
        network_of_its_own(),
        responder(tmp_path, leaf, intermediate, intermediate, "R"),
        stapling(roots, tmp_path, platform, (leaf, intermediate), root) as log,
    ):
        staple(tmp_path)
        deadline = time.monotonic() + WITHIN
        while "revoked" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        assert "no response sent" in staple(tmp_path)
