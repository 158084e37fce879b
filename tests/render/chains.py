"""Certificates for tests, right or wrong in one respect, and the authorities that sign them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def small_rsa() -> Key:
    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is its fault


def usual_rsa() -> Key:
    return rsa.generate_private_key(65537, 2048)


def usual_ec() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def issued(
    name: str,
    issuer: Issued | None = None,
    *,
    alternatives: Sequence[str] = (),
    authority: bool = False,
    days: tuple[int, int] = (-1, 90),
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    key: Key | None = None,
    responder: str = "",
) -> Issued:
    """Signed by `issuer`, or by itself; `alternatives` are names or addresses, `days` from now.

    `responder` is the URL of an OCSP responder that the certificate names.
    """
    key, now = key or usual_ec(), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
    )
    if alternatives:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in alternatives]), critical=False
        )
    if usage is not None and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if responder:
        place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder))
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    signer = issuer.key if issuer else key
    return Issued(builder.sign(signer, hashes.SHA256()), key)


def with_sha1(one: Issued, issuer: Issued) -> Issued:
    """What is signed by itself, signed as nobody should any more: the library refuses to."""
    with TemporaryDirectory() as folder:
        for name, text in (("one", one.pem), ("issuer", issuer.pem), ("key", issuer.key_pem)):
            (Path(folder) / name).write_text(text)
        words = "openssl x509 -in one -CA issuer -CAkey key -sha1 -set_serial 7 -days 30"
        made = subprocess.run(words.split(), cwd=folder, capture_output=True, check=True, timeout=60).stdout
    return Issued(x509.load_pem_x509_certificate(made), one.key)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
