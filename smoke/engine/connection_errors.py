"""Why a measurement cannot be made: one clear sentence each."""

from __future__ import annotations

import errno
import socket
import ssl

from smoke.engine.job import Endpoint

CONNECT_TIMEOUT = 10.0
"""In seconds, TLS handshake included."""


class Unreachable(Exception):
    """The endpoint cannot be asked; the message is a whole sentence."""


def explain(endpoint: Endpoint, error: Exception) -> str:
    """What a connection failed for, in a sentence."""
    where = endpoint.label
    match error:
        case ssl.SSLCertVerificationError():
            reason = error.verify_message.rstrip(".")
            return f"the certificate of {endpoint.name} at {where} is not to be trusted: {reason}."
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            # The same end in other words, by when it is noticed; not every one of them has a reason.
            return f"{where} fails the TLS handshake: unexpected eof while reading."
        case ssl.SSLError():
            return f"{where} fails the TLS handshake: {(error.reason or str(error)).replace('_', ' ').lower()}."
        case ConnectionRefusedError():
            return f"{where} refuses the connection: nothing listens there."
        case socket.gaierror():
            return f"there is no address for {endpoint.host}: {error.strerror}."
        case TimeoutError():
            return f"{where} does not answer within {CONNECT_TIMEOUT:.0f} s."
        case ConnectionError():
            return f"{where} closes the connection before the TLS handshake is done."
    if f"[Errno {errno.ECONNREFUSED}]" in str(error):  # of a name with several addresses
        return f"{where} refuses the connection: nothing listens there."
    return f"cannot connect to {where}: {getattr(error, 'strerror', None) or error}."
