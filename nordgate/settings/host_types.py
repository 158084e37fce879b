"""What a stack and a region file may name of the world: folders and devices of hosts, addresses, URLs."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

from cloudinit.addresses import network, of_a_host, of_hosts

_FOLDER = r"^(/[A-Za-z0-9._-]+)+$"
_DEVICE = r"^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}$"
_GROUP = r"^[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}$"
_ENTRY = r"^127\.0\.0\.1:[0-9]{1,5}$"
_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib64", "lost+found", "proc", "root", "run", "sbin", "sys", "usr")
"""Folders of the host's root in which nothing of a guest's belongs: devices, the kernel's, the system's own."""

_SECRET = re.compile(
    r"(^|[-_.])(pass(word|wd)?|pwd|secret|token|sig(nature)?|credential|(api|access|auth|private|secret)[-_]?key)s?$",
    re.IGNORECASE,
)
"""Names of a query's parameters whose value lets somebody in, such as X-Amz-Signature."""


def _folder(path: str) -> str:
    # libvirt knows a volume by its path, letter by letter.
    if not re.fullmatch(_FOLDER, path):
        raise ValueError(
            "must be a whole path such as /srv/nvme/nordgate: no slash at its end, none doubled, no blanks"
        )
    parts = PurePosixPath(path).parts
    if {".", ".."} & {*path.split("/")}:
        raise ValueError(f"{path} leads elsewhere by its dots: say where")
    if parts[1] in _SYSTEM:
        raise ValueError(f"{path} is no place for files of guests: /{parts[1]} is the host system's own")
    if len(parts) == 2:
        raise ValueError(f"{path} is shared by all of the host: name a folder in it, such as {path}/nordgate")
    return path


def _device(name: str) -> str:
    if not re.fullmatch(_DEVICE, name) or name in (".", ".."):
        raise ValueError(
            f'"{name}" is no name of a network device: 15 letters, digits, "_", "." or "-" at most, no "-" first'
        )
    return name


def _group(name: str) -> str:
    if not re.fullmatch(_GROUP, name) or name in (".", ".."):
        raise ValueError(f'"{name}" is no name of a volume group: letters, digits, "+", "_", "." or "-", no "-" first')
    return name


def _entry(value: str) -> str:
    if not re.fullmatch(_ENTRY, value) or not 1 <= int(value.rpartition(":")[2]) <= 65535:
        raise ValueError(f'"{value}" is not 127.0.0.1:PORT, with a port from 1 to 65535')
    return value


def why_no_url(url: str) -> str | None:
    """Why a URL can stand in no file: it is none, or it holds a secret. None when it can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has no port from 1 to 65535 after its host"
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch("[!-~]+", url):
        return "is not http://HOST/PATH or https://HOST/PATH"
    if port == 0:
        return "has no port from 1 to 65535 after its host"
    if "@" in parts.netloc:
        return "has a login, which would stand in plain text, here and in pull requests"
    if parts.fragment:
        return "has a fragment, which no server is asked for"
    return why_secret(parts.query)


def why_secret(query: str) -> str | None:
    """Why the query of a URL can stand in no file; None when it can."""
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if _SECRET.search(name):
            return f'has a secret, "{name}", which would stand in plain text, here and in pull requests'
    return None


def without_secrets(text: str) -> str:
    """The text with dots in place of whatever a URL in it says to be let in."""
    text = re.sub(r"://[^\s\"'<>]+@", lambda login: _without_password(login[0]), text)
    return re.sub(r"([?&;])([\w.-]+)=([^&;#\s\"'<>]+)", _without_value, text)


def _without_password(login: str) -> str:
    user, colon, _ = login.removeprefix("://").partition(":")
    return f"://{user}:…@" if colon else login


def _without_value(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}=…" if _SECRET.search(found[2]) else found[0]


def _url(value: str) -> str:
    if reason := why_no_url(value):
        raise ValueError(f'"{value}" {reason}')
    return value


def _network(value: Any) -> Any:
    found = network(value)
    if found.version == 6:
        raise ValueError(f"{found} is IPv6; a region's networks are IPv4")
    return found


def _file(path: str) -> str:
    if not path.isprintable() or path != path.strip() or path.endswith("/") or not path:
        raise ValueError("must be the path of a file: no blanks around it, no control characters, no slash at its end")
    return path


File = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_file)]
"""A file on the machine that runs Pulumi."""
HostPath = Annotated[str, AfterValidator(_folder), WithJsonSchema({"type": "string", "pattern": _FOLDER})]
"""A folder of the host, for files of guests."""
Device = Annotated[str, AfterValidator(_device), WithJsonSchema({"type": "string", "pattern": _DEVICE})]
VolumeGroup = Annotated[str, AfterValidator(_group), WithJsonSchema({"type": "string", "pattern": _GROUP})]
Entry = Annotated[str, AfterValidator(_entry), WithJsonSchema({"type": "string", "pattern": _ENTRY})]
Url = Annotated[
    str, StringConstraints(max_length=2000), AfterValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})
]
HostAddress = Annotated[IPv4Address, AfterValidator(of_a_host)]
HostsNetwork = Annotated[IPv4Network, BeforeValidator(_network), AfterValidator(of_hosts)]
