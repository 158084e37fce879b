"""The base of every settings model, and the kinds of text that may enter a rendered file.

What is refused here cannot be smuggled into a configuration file later: no text setting may carry a line break,
a control character or an nginx variable.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from cloudinit.addresses import network, of_a_host, of_hosts, unreachable
from cloudinit.keys import ca_certificates, ssh_public_key
from cloudinit.kinds import strict_kinds

_HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_DNS_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
"""Of what DNS can find: names of services have underscores."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_TOKEN = re.compile(r"[A-Za-z0-9!#%&'*+.^_`|~-]+")
_OWN_HEADERS = {
    "alt-svc",
    "connection",
    "content-length",
    "content-type",
    "date",
    "server",
    "strict-transport-security",
    "transfer-encoding",
    "x-request-id",
}
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class SettingsModel(BaseModel):
    """Frozen, strict about unknown names and about kinds, `camelCase` in a stack file and `snake_case` in Python."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return strict_kinds(handler(source))


def plain_text(value: str) -> str:
    """Text that stays what it is inside a quoted nginx parameter or a shell word."""
    for character in value:
        if not character.isprintable():
            raise ValueError(f"{value!r} contains {character!r}: line breaks and control characters are refused")
    if "$" in value:
        raise ValueError(f'"{value}" contains "$", which nginx would read as a variable')
    return value


def host_name(value: str, label: re.Pattern[str] = _HOST_LABEL) -> str:
    """A lower-case DNS name; the labels and the length as DNS allows them."""
    name = value.lower()
    labels = name.split(".")
    if len(name) > 253 or not all(map(label.fullmatch, labels)):
        raise ValueError(f'"{value}" is not a host name')
    if labels[-1].isdigit():
        raise ValueError(f'"{value}" is an address, not a host name')
    return name


def identifier(value: str) -> str:
    """The value as a name. Raises ValueError for what is none."""
    if not _NAME.fullmatch(value):
        raise ValueError(f'"{value}" is not a name: lower-case letters, digits and "-", a letter first, at most 31')
    return value


def header_name(value: str) -> str:
    """The value as the name of a header that a setting may give. Raises ValueError for another one."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f'"{value}" is not a header name')
    if value.lower() in _OWN_HEADERS:
        raise ValueError(f'"{value}" is set by the gateway itself')
    return value


def plain_header_name(value: str) -> str:
    """A header name that an nginx variable can be named after."""
    header_name(value)
    if not re.fullmatch(r"[A-Za-z0-9-]+", value):
        raise ValueError(f'"{value}" has other characters than letters, digits and "-": nginx cannot look for it')
    return value


def header_value(value: str) -> str:
    """The value as the value of a header. Raises ValueError for control characters and for text that is not ASCII."""
    plain_text(value)
    if not value.isascii():
        raise ValueError(f'"{value}" is not ASCII, and no client knows what it would mean in a header')
    return value


def distinct(names: dict[str, str]) -> dict[str, str]:
    """Header names that differ by more than their case."""
    for name in names:
        if sum(other.lower() == name.lower() for other in names) > 1:
            raise ValueError(f'"{name}" is given twice')
    return names


def mac_address(value: str) -> str:
    """The value as a unicast MAC address in lower case. Raises ValueError for what is none."""
    mac = value.lower()
    if not _MAC.fullmatch(mac):
        raise ValueError(f'"{value}" is not a MAC address like 52:54:00:12:34:56')
    if int(mac[:2], 16) & 1:
        raise ValueError(f'"{value}" is a multicast MAC address; a network card needs a unicast one')
    if not mac.strip("0:"):
        raise ValueError(f'"{value}" is the MAC address that stands for none')
    return mac


def url_path(value: str) -> str:
    """The value as a decoded URL path. Raises ValueError for what is none."""
    plain_text(value)
    if not value.startswith("/") or re.search(r"[\s%?#\\\"]|//|/\.\.?(/|$)", value):
        raise ValueError(f'"{value}" is not a decoded URL path: it starts with "/" and has no "%", query, "//" or ".."')
    return value


def endpoint(value: str) -> str:
    """`host:port`, with an address or a host name; IPv6 in brackets."""
    host, colon, port = value.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError(f'"{value}" is not host:port')
    if host.startswith("["):
        if not host.endswith("]") or not _is_address(host[1:-1], IPv6Address):
            raise ValueError(f'"{value}" has no IPv6 address between its brackets')
    elif not _is_address(host, IPv4Address):
        try:
            host_name(host, _DNS_LABEL)
        except ValueError:
            raise ValueError(f'"{value}" has neither an address nor a host name before its port') from None
    if kind := unreachable(host):
        raise ValueError(f"{host} is {kind}: no server is reached there")
    return value.lower()


def name_or_address(value: str) -> str:
    """A host by its name, or by an address that another host can have."""
    try:
        address = ip_address(value)
    except ValueError:
        return host_name(value)
    return str(of_a_host(_unscoped(address)))


def _is_address(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> bool:
    try:
        return isinstance(ip_address(text), kind) and "%" not in text
    except ValueError:
        return False


def _unscoped(value: Any) -> Any:
    if "%" in str(value):
        raise ValueError(f'"{value}" has a zone; only plain addresses can be used here')
    return value


Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(plain_text)]
HostName = Annotated[str, AfterValidator(host_name)]
Name = Annotated[str, AfterValidator(identifier)]
HeaderName = Annotated[str, StringConstraints(max_length=100), AfterValidator(header_name)]
PlainHeaderName = Annotated[str, StringConstraints(max_length=100), AfterValidator(plain_header_name)]
MacAddress = Annotated[str, AfterValidator(mac_address)]
HeaderValue = Annotated[str, StringConstraints(max_length=4096), AfterValidator(header_value)]
Headers = Annotated[dict[HeaderName, HeaderValue], AfterValidator(distinct)]
UrlPath = Annotated[str, StringConstraints(max_length=1024), AfterValidator(url_path)]
Endpoint = Annotated[str, StringConstraints(max_length=300), AfterValidator(endpoint)]
CaCertificate = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(ca_certificates)]
SshPublicKey = Annotated[str, StringConstraints(max_length=8000), AfterValidator(ssh_public_key)]
Host = Annotated[str, AfterValidator(name_or_address)]
Address = Annotated[IPv4Address | IPv6Address, BeforeValidator(_unscoped), AfterValidator(of_a_host)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(network)]
"""Any, loopback too."""
HostsNetwork = Annotated[Network, AfterValidator(of_hosts)]
"""One that other hosts are in."""
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=1, le=86400)]
