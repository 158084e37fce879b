"""Certificates as a real nginx shows them, and what the smoke check says of each: as clients would judge it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from cloudinit import PLATFORMS
from smoke import certificates, handshakes
from smoke.http1 import Target, tls_context
from tests.render.authority import Pair
from tests.render.backends import Backends
from tests.render.chains import Issued, issued, small_rsa, usual_rsa, with_sha1
from tests.render.served import network_of_its_own, running
from tests.render.sites import Site, rendered_case

ROOT = issued("Root", authority=True, days=(-1000, 1000))
MIDDLE = issued("Middle", ROOT, authority=True)
STALE = issued("Stale", ROOT, authority=True, days=(-90, -1))
STRANGER = issued("Stranger", authority=True)
OLD = with_sha1(issued("Old", authority=True), ROOT)
LACKING = "one file must hold the certificate and all intermediates, its own first"


@dataclass(frozen=True)
class Case:
    """What is shown to those who ask for `name`, and all that is wrong with it."""

    name: str
    chain: tuple[Issued, ...]
    wrong: tuple[str, ...] = ()
    trusted: tuple[Issued, ...] = (ROOT,)

    @property
    def host(self) -> str:
        return f"{self.name.replace(' ', '-')}.example.test"


def leaf(name: str, issuer: Issued | None = MIDDLE, **differing: object) -> Issued:
    host = f"{name.replace(' ', '-')}.example.test"
    return issued(host, issuer, **{"alternatives": [host]} | differing)  # type: ignore[arg-type]


def case(name: str, *others: Issued, wrong: str | tuple[str, ...] = (), **differing: object) -> Case:
    trusted = differing.pop("trusted", (ROOT,))
    wrong = (wrong,) if isinstance(wrong, str) else wrong
    return Case(name, (leaf(name, **differing), *others), wrong, trusted)  # type: ignore[arg-type]


def day(certificate: Issued, end: bool = True) -> str:
    value = certificate.certificate
    return f"{value.not_valid_after_utc if end else value.not_valid_before_utc:%Y-%m-%d}"


def dated(name: str, days: tuple[int, int], words: str) -> Case:
    found = leaf(name, days=days)
    return Case(name, (found, MIDDLE), (f"it {words} {day(found, days[1] < 0)}",))


CASES = [
    case("good", MIDDLE),
    case("good rsa", MIDDLE, key=usual_rsa()),
    case("root sent too", MIDDLE, ROOT),
    case("by the root itself", issuer=ROOT),
    case("wildcard", MIDDLE, alternatives=["*.example.test"]),
    case("trusted middle", trusted=(MIDDLE,)),
    case(
        "leaf alone",
        wrong=f"it alone is sent, and its issuer, Middle, is neither sent nor trusted: {LACKING}",
    ),
    case(
        "middle known here",
        wrong=f"the chain lacks Middle: this machine has it, clients do not; {LACKING}",
        trusted=(ROOT, MIDDLE),
    ),
    case(
        "another middle",
        STALE,
        wrong=(
            f"the certificate of Stale has expired on {day(STALE)}",
            "the certificate of Stale is sent too, and has signed none of the others",
            f"it alone is sent, and its issuer, Middle, is neither sent nor trusted: {LACKING}",
        ),
    ),
    case(
        "wrong order",
        ROOT,
        MIDDLE,
        wrong="the certificate of Root is sent before the certificate that it has signed: wrong order",
    ),
    case(
        "a stranger beside",
        MIDDLE,
        STRANGER,
        wrong="the certificate of Stranger is sent too, and has signed none of the others",
    ),
    dated("expired", (-90, -1), "has expired on"),
    dated("not yet valid", (2, 90), "is not valid before"),
    case("expired middle", STALE, issuer=STALE, wrong=f"the certificate of Stale has expired on {day(STALE)}"),
    case(
        "another name",
        MIDDLE,
        alternatives=["www.example.test", "192.0.2.1"],
        wrong="it is not for another-name.example.test: only for www.example.test, 192.0.2.1",
    ),
    case(
        "too wide a wildcard",
        MIDDLE,
        alternatives=["*.test"],
        wrong="it is not for too-wide-a-wildcard.example.test: only for *.test",
    ),
    case(
        "common name only",
        MIDDLE,
        alternatives=[],
        wrong="it has no subjectAltName, and clients do not look at its common name",
    ),
    case(
        "self signed",
        issuer=None,
        wrong="it is signed by itself, and was not made by this gateway: no client trusts it",
    ),
    case("strange authority", STRANGER, issuer=STRANGER, wrong="it leads to Stranger, which clients do not trust"),
    case(
        "strange and alone",
        issuer=STRANGER,
        wrong=f"it alone is sent, and its issuer, Stranger, is neither sent nor trusted: {LACKING}",
    ),
    case(
        "for clients",
        MIDDLE,
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        wrong="it is not for servers: its extendedKeyUsage is clientAuth",
    ),
    case("for anything", MIDDLE, usage=None),
    case(
        "an authority",
        MIDDLE,
        authority=True,
        wrong="it is that of an authority (CA:TRUE), which clients refuse for a server",
    ),
    case("small key", MIDDLE, key=small_rsa(), wrong="it has a key of 1024 bits: clients want 2048"),
    Case(
        "old hash",
        (with_sha1(leaf("old hash", None), MIDDLE), MIDDLE),
        ("it is signed with SHA1, which clients refuse",),
    ),
    case(
        "old middle",
        OLD,
        issuer=OLD,
        wrong="the certificate of Old is signed with SHA1, which clients refuse",
    ),
]


@pytest.fixture(scope="module", params=["debian-12", "debian-13"])
def target(
    request: pytest.FixtureRequest, roots: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """One nginx that shows each case to those who ask for its name."""
    folder = tmp_path_factory.mktemp("certificates")
    folder.chmod(0o755)
    for number, one in enumerate(CASES):
        (folder / f"{number}.crt").write_text("".join(part.pem for part in one.chain))
        (folder / f"{number}.key").write_text(one.chain[0].key_pem)
    servers = "".join(
        f"server {{ listen 443 ssl; server_name {one.host}; ssl_certificate /srv/{number}.crt; "
        f"ssl_certificate_key /srv/{number}.key; ssl_ciphers ALL:@SECLEVEL=0; return 200 ok; }}\n"
        for number, one in enumerate(CASES)
    )
    text = (
        f"user www-data;\npid /run/nginx.pid;\nevents {{}}\nhttp {{\nserver_names_hash_bucket_size 128;\n{servers}}}\n"
    )
    pair = Pair(folder / "0.crt", folder / "0.key")
    site = Site.make(
        roots[PLATFORMS[request.param].suite], folder / "site", rendered_case("small", request.param).files, pair
    )
    (site.folder / "etc/nginx/nginx.conf").write_text(text)
    for file in (*folder.glob("*.crt"), *folder.glob("*.key")):
        (site.folder / "srv" / file.name).write_text(file.read_text())
    with network_of_its_own(), running(site, Backends(), "", folder):
        yield Target("127.0.0.1", 443, "", tls_context(None, insecure=True))


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_a_certificate_is_judged_as_clients_would(target: Target, one: Case) -> None:
    trusted = "".join(part.pem for part in one.trusted)
    shown = handshakes.shown(target, lambda: tls_context(trusted), one.host)
    assert shown.sent == tuple(part.der for part in one.chain)
    assert certificates.problems(shown, [one.host], datetime.now(UTC)) == list(one.wrong)


def test_an_authority_that_only_this_machine_is_told_of_is_not_a_public_one(target: Target) -> None:
    shown = handshakes.shown(target, lambda: tls_context(None), CASES[0].host)
    (said,) = certificates.problems(shown, [CASES[0].host], datetime.now(UTC))
    assert said == f"the chain ends with Middle, and its issuer, Root, is neither sent nor trusted: {LACKING}"
