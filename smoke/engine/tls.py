"""Who is trusted."""

from __future__ import annotations

import ssl

from smoke.engine.connection_errors import Unreachable


def tls_context(authorities: str | None, insecure: bool = False, protocol: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or later, verified against the PEM text `authorities` or else the machine's authorities.

    `protocol` is the one name that ALPN offers. Raises Unreachable for a text that is no certificate.
    """
    context = ssl.create_default_context() if authorities is None else _bare_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocol is not None:
        context.set_alpn_protocols([protocol])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authorities is not None:
        try:
            context.load_verify_locations(cadata=authorities)
        except ssl.SSLError:
            raise Unreachable("the certificate to trust is not a PEM certificate.") from None
    return context


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The pinned certificate need not be a certificate authority to be its own trust anchor.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context
