"""Public keys and certificates as settings say them: read whole, so that no guest boots with one that is none."""

from __future__ import annotations

import base64
import binascii
import re
import ssl

_SSH_PARTS = {
    "ssh-ed25519": 1,
    "ssh-rsa": 2,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""What follows the name of each type inside a key: RFC 4253, 5656, 8709, and OpenSSH's PROTOCOL.u2f."""

_LEAST_RSA = 2048
"""Bits. OpenSSH takes shorter keys for broken since 9.1 unless they have 1024; nobody should."""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n?")
_PUBLIC_KEY = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n([A-Za-z]+: [ -~]+\n)*\n(?P<body>[A-Za-z0-9+/=\n]+)\n"
    r"-----END PGP PUBLIC KEY BLOCK-----\n?"
)


def ssh_public_key(value: str) -> str:
    """One line of an authorized_keys file, without options. Raises ValueError when sshd could not use it."""
    if "PRIVATE KEY" in value:
        raise ValueError("holds a private key; only public keys belong here")
    kind, _, rest = value.partition(" ")
    body, _, _comment = rest.partition(" ")
    shown = value if len(value) <= 60 else f"{value[:60]}…"
    if kind not in _SSH_PARTS or not body or not value.isprintable():
        raise ValueError(f'"{shown}" is not an SSH public key (type, key, comment; no options)')
    parts = _ssh_parts(body)
    if not parts or parts[0] != kind.encode() or len(parts) != _SSH_PARTS[kind] + 1 or not all(parts[1:]):
        raise ValueError(f'"{shown}" is cut off or altered: what follows {kind} is no such key')
    if "ed25519" in kind and len(parts[1]) != 32:
        raise ValueError(f'"{shown}" is cut off or altered: an ed25519 key has 32 bytes, this one {len(parts[1])}')
    if kind == "ssh-rsa" and (bits := int.from_bytes(parts[2], "big").bit_length()) < _LEAST_RSA:
        raise ValueError(f'"{shown}" has {bits} bits, which can be broken: at least {_LEAST_RSA}, or ed25519')
    return value


def _ssh_parts(body: str) -> list[bytes]:
    """The strings that a key consists of, each behind its length; none when they do not end where the key does."""
    try:
        blob = base64.b64decode(body, validate=True)
    except binascii.Error:
        return []
    parts, place = [], 0
    while place < len(blob):
        size = int.from_bytes(blob[place : place + 4], "big")
        parts.append(blob[place + 4 : place + 4 + size])
        place += 4 + size
    return parts if place == len(blob) else []


def ca_certificates(value: str) -> str:
    """PEM of one certificate or several, and of nothing that is secret. Raises ValueError otherwise."""
    if "PRIVATE KEY" in value:
        raise ValueError("contains a private key; only the CA's certificate belongs here")
    text = "\n".join(line.strip() for line in value.strip().splitlines()) + "\n"
    if not text.startswith("-----BEGIN CERTIFICATE-----\n") or not text.endswith("-----END CERTIFICATE-----\n"):
        raise ValueError("is not a PEM certificate (-----BEGIN CERTIFICATE----- ...)")
    blocks = [match[0] for match in _PEM.finditer(text)]
    if "".join(_PEM.split(text)).strip() or not blocks:
        raise ValueError("is not a PEM certificate: it holds something else than base64 between its lines")
    for number, block in enumerate(blocks, 1):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=block)
        except (ssl.SSLError, ValueError):
            which = "" if len(blocks) == 1 else f": the {number}. of {len(blocks)}"
            raise ValueError(f"is no certificate that OpenSSL can read{which}; it is cut off or altered") from None
    return text


def pgp_public_key(value: str) -> str:
    """One armoured OpenPGP public key. Raises ValueError when it is none."""
    if "PRIVATE KEY" in value:
        raise ValueError("holds a private key; only a public one belongs here")
    found = _PUBLIC_KEY.fullmatch(value)
    if not found:
        raise ValueError("is not one armoured OpenPGP public key, as `gpg --armor --export` writes it")
    # The last line that begins with "=" is a checksum. A packet of kind 6, in either format, is a public key.
    body = "".join(line for line in found["body"].splitlines() if not line.startswith("="))
    try:
        blob = base64.b64decode(body, validate=True)
    except binascii.Error:
        blob = b""
    first = blob[0] if blob else 0
    if (first >> 2 & 15 if not first & 0x40 else first & 63) != 6 or not first & 0x80:
        raise ValueError("is cut off or altered: what stands between its lines is no OpenPGP public key")
    return value
