"""Whether clients accept a certificate: by what the gateway sends, not by what this machine happens to know besides.

Names, dates, keys and the chain are looked at one by one, so that a sentence can say what is wrong; whether the chain
leads to an authority that clients trust is OpenSSL's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_OLD_HASHES = ("md5", "sha1")
_SMALLEST_RSA = 2048
_SMALLEST_EC = 256
_SERVER = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
_PURPOSES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
}
_WHOLE = "one file must hold the certificate and all intermediates, its own first"


@dataclass(frozen=True)
class Shown:
    """What a gateway showed in a handshake, and how clients get from there to an authority that they trust."""

    sent: tuple[bytes, ...]
    """Certificates (DER) as they came: the gateway's own first."""
    path: tuple[bytes, ...] = ()
    """From the gateway's own to the trust anchor; empty where none is found."""
    trouble: str = ""
    """Why there is none, in OpenSSL's words."""


def problems(shown: Shown, names: Sequence[str], now: datetime) -> list[str]:
    """A sentence for everything that clients refuse, or may; none for a certificate that all of them accept."""
    if not shown.sent:
        return ["the gateway shows no certificate"]
    try:
        sent = [x509.load_der_x509_certificate(data) for data in shown.sent]
        found = [*_names(sent[0], names), *_dates(sent, now), *_keys(sent), *_purpose(sent[0], shown), *_order(sent)]
        found += list(_anchor(sent, shown))
    except (ValueError, UnsupportedAlgorithm) as error:
        return [f"what the gateway shows is no certificate that can be read: {error}"]
    if not found and shown.trouble:
        found = [f"it is not to be trusted: {shown.trouble}"]
    return found


def self_signed(pem: bytes) -> bool:
    """Whether it is one certificate, signed by its own key: what was delivered into another's place is not."""
    try:
        (certificate,) = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return False
    return _issued(certificate, certificate)


def described(shown: Shown) -> str:
    """Who has issued it, until when it holds, and how long the chain is."""
    if not shown.sent:
        return "none"
    leaf = x509.load_der_x509_certificate(shown.sent[0])
    count = "1 certificate" if len(shown.sent) == 1 else f"{len(shown.sent)} certificates"
    return f"issued by {_name(leaf.issuer)}, until {_day(leaf.not_valid_after_utc)}, {count} sent"


def _names(leaf: x509.Certificate, names: Sequence[str]) -> Iterator[str]:
    there = _alternative_names(leaf)
    if not there:
        yield "it has no subjectAltName, and clients do not look at its common name"
        return
    missing = [name for name in names if not any(_covers(pattern, name) for pattern in there)]
    if missing:
        yield f"it is not for {', '.join(missing)}: only for {', '.join(there)}"


def _alternative_names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _covers(pattern: str, name: str) -> bool:
    """A wildcard stands for one whole label, the first (RFC 6125); an address is there as it is."""
    try:
        return ip_address(name) == ip_address(pattern)
    except ValueError:
        first, _, rest = name.lower().rstrip(".").partition(".")
        return pattern.lower() in (f"{first}.{rest}", f"*.{rest}" if first and "." in rest else name.lower())


def _dates(sent: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    for certificate in sent:
        if now > certificate.not_valid_after_utc:
            yield f"{_which(certificate, sent)} has expired on {_day(certificate.not_valid_after_utc)}"
        elif now < certificate.not_valid_before_utc:
            yield f"{_which(certificate, sent)} is not valid before {_day(certificate.not_valid_before_utc)}"


def _keys(sent: Sequence[x509.Certificate]) -> Iterator[str]:
    for certificate in sent:
        key, which = certificate.public_key(), _which(certificate, sent)
        if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey) and key.key_size < _SMALLEST_RSA:
            yield f"{which} has a key of {key.key_size} bits: clients want {_SMALLEST_RSA}"
        if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _SMALLEST_EC:
            yield f"{which} has a key of {key.key_size} bits: clients want {_SMALLEST_EC}"
        # Nobody looks at the signature of a root: it is trusted or not.
        if (old := _old_hash(certificate)) and not _issued(certificate, certificate):
            yield f"{which} is signed with {old.upper()}, which clients refuse"


def _purpose(leaf: x509.Certificate, shown: Shown) -> Iterator[str]:
    try:
        usage = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usage = []
    if usage and not any(purpose in usage for purpose in _SERVER):
        told = ", ".join(_PURPOSES.get(purpose, purpose.dotted_string) for purpose in usage)
        yield f"it is not for servers: its extendedKeyUsage is {told}"
    try:
        authority = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if authority and len(shown.path) != 1:
        yield "it is that of an authority (CA:TRUE), which clients refuse for a server"


def _order(sent: Sequence[x509.Certificate]) -> Iterator[str]:
    for number, certificate in enumerate(sent[1:], 1):
        if any(_issued(certificate, before) for before in sent[:number]):
            continue
        if any(_issued(certificate, after) for after in sent[number + 1 :]):
            yield f"{_which(certificate, sent)} is sent before the certificate that it has signed: wrong order"
        else:
            yield f"{_which(certificate, sent)} is sent too, and has signed none of the others"


def _anchor(sent: Sequence[x509.Certificate], shown: Shown) -> Iterator[str]:
    """Whether clients find the way to an authority with what is sent, and nothing else but the authority itself."""
    path = [x509.load_der_x509_certificate(data) for data in shown.path]
    if path:
        for certificate in path[1:-1]:
            if certificate not in sent:
                yield f"the chain lacks {_name(certificate.subject)}: this machine has it, clients do not; {_WHOLE}"
        return
    leaf = last = sent[0]
    while (issuer := next((one for one in sent if one is not last and _issued(one, last)), None)) is not None:
        last = issuer
        if _issued(last, last):
            break
    if _issued(leaf, leaf):
        yield "it is signed by itself, and was not made by this gateway: no client trusts it"
    elif _issued(last, last):
        yield f"it leads to {_name(last.subject)}, which clients do not trust"
    elif "issuer" in shown.trouble or "verify the first" in shown.trouble:
        ends = "it alone is sent" if last is leaf else f"the chain ends with {_name(last.subject)}"
        yield f"{ends}, and its issuer, {_name(last.issuer)}, is neither sent nor trusted: {_WHOLE}"


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if _old_hash(certificate):
        # The library does not look at such a signature any more; that it is one is told by itself.
        return issuer.subject == certificate.issuer
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _old_hash(certificate: x509.Certificate) -> str:
    """The name of a hash that clients no longer accept, if it is signed with one."""
    algorithm = certificate.signature_hash_algorithm
    return algorithm.name if algorithm and algorithm.name in _OLD_HASHES else ""


def _which(certificate: x509.Certificate, sent: Sequence[x509.Certificate]) -> str:
    return "it" if certificate is sent[0] else f"the certificate of {_name(certificate.subject)}"


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "(nobody)"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"
