"""TLS handshakes that show what a gateway accepts. Blocking, with one connection each."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nordgate.errors import TargetError
from smoke.certificates import Shown
from smoke.engine.connection_errors import CONNECT_TIMEOUT
from smoke.http1 import Target

MakeContext = Callable[[], ssl.SSLContext]

_OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
# At its default level OpenSSL does not even offer what is to be refused.
_ANYTHING = "ALL:@SECLEVEL=0"
_WEAK = "AES128-SHA:AES256-SHA:AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
"""Without forward secrecy or authenticated encryption; no list of Mozilla's has had them for years."""


@dataclass(frozen=True)
class Agreed:
    """What one handshake came to."""

    version: str
    cipher: str
    protocol: str
    """Of ALPN; empty when there was none."""
    resumed: bool


def agreed(
    target: Target, context: ssl.SSLContext, name: str | None = None, session: ssl.SSLSession | None = None
) -> tuple[Agreed, ssl.SSLSession | None]:
    """One handshake and one request on it, after which a session to resume is known. Raises ssl.SSLError, OSError."""
    with (
        socket.create_connection((target.host, target.port), CONNECT_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=name or target.server_name, session=session) as tls,
    ):
        if tls.selected_alpn_protocol() != "h2":
            # A TLS 1.3 server sends its tickets after the handshake: they are there with the first answer.
            tls.sendall(target.request("/health"))
            tls.recv(4096)
        found = Agreed(
            tls.version() or "none", (tls.cipher() or ("none",))[0], tls.selected_alpn_protocol() or "",
            bool(tls.session_reused),
        )  # fmt: skip
        return found, tls.session


def sent(target: Target, make: MakeContext, name: str) -> tuple[bytes, ...]:
    """The certificates (DER) that a client is sent which asks for `name`. Raises ssl.SSLError, OSError."""
    anyone = make()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    return _chains(target, anyone, name)[0]


def shown(target: Target, make: MakeContext, name: str) -> Shown:
    """What a client that asks for `name` is sent, and the way from there to what `make` trusts.

    Raises ssl.SSLError, OSError where there is no handshake at all.
    """
    context = make()
    context.check_hostname = False
    # First as clients look for it, to the very root: a trusted intermediate must not hide that it is not sent.
    partial = context.verify_flags & ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    for flags in (ssl.VerifyFlags(0), *([partial] if partial else [])):
        context.verify_flags |= flags
        try:
            return Shown(*_chains(target, context, name))
        except ssl.SSLCertVerificationError as error:
            trouble = error.verify_message
    return Shown(sent(target, make, name), trouble=trouble)


def _chains(target: Target, context: ssl.SSLContext, name: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The certificates as sent, and those that they were verified by, in DER."""
    with (
        socket.create_connection((target.host, target.port), CONNECT_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        # Public from Python 3.13 on, and there before.
        inner: Any = tls._sslobj  # type: ignore[attr-defined]
        path = inner.get_verified_chain() if context.verify_mode is not ssl.CERT_NONE else ()
        return _der(inner.get_unverified_chain() or ()), _der(path or ())


def _der(chain: Iterable[Any]) -> tuple[bytes, ...]:
    return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain)


def oldest_version(target: Target, make: MakeContext) -> str:
    """The oldest version of TLS that the gateway agrees to."""
    for version in (*_OLD, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = make()
        context.set_ciphers(_ANYTHING)
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version, context.maximum_version = version, version
        try:
            return agreed(target, context)[0].version
        except (ssl.SSLError, ConnectionError):
            continue
    raise TargetError(f"{target.label} agrees to no version of TLS that this machine knows.")


def weak_cipher(target: Target, make: MakeContext) -> str:
    """A weak cipher that the gateway agrees to; empty when it refuses all of them."""
    context = make()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_WEAK)
    try:
        return agreed(target, context)[0].cipher
    except (ssl.SSLError, ConnectionError):
        return ""


def alpn(target: Target, make: MakeContext) -> str:
    """What the gateway chooses for a client that speaks HTTP/2 and HTTP/1.1."""
    context = make()
    context.set_alpn_protocols(["h2", "http/1.1"])
    return agreed(target, context)[0].protocol


def resumed(target: Target, make: MakeContext, version: ssl.TLSVersion) -> bool:
    """Whether a second connection takes up the session of the first."""
    context = make()
    context.minimum_version, context.maximum_version = version, version
    _, session = agreed(target, context)
    return agreed(target, context, session=session)[0].resumed


def refuses_name(target: Target, make: MakeContext, name: str) -> bool:
    """Whether the gateway ends the handshake with a client that asks for another name."""
    context = make()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        agreed(target, context, name=name)
    except (ssl.SSLError, ConnectionError):
        return True
    return False
