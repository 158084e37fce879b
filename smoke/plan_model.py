"""What every part of a plan is made of."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
GuestPath = Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f]+$")]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=100)]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:]([A-Za-z0-9.:_-]*[A-Za-z0-9])?$", max_length=253)]


class Model(BaseModel):
    """Frozen, strict, and nothing unknown in it; in JSON its names are camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, strict=True)


def host_and_port(text: str, default_port: int | None = None) -> tuple[str, int]:
    """`127.0.0.1:8443` or `[::1]:8443` in two; without a port the default one, where there is one."""
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port if parts.port is not None else default_port
    except ValueError:
        parts, port = urlsplit("//"), None
    if not parts.hostname or not port or parts.netloc != text or "@" in text:
        raise ValueError("must be HOST:PORT" if default_port is None else "must be HOST or HOST:PORT")
    return parts.hostname, port
