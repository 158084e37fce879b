"""Kernel settings of a guest: the catalogue's rows, with what a user changed."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from cloudinit.catalogue.kernel_rows import KERNEL
from cloudinit.catalogue.row import Disposition, Sysctl
from cloudinit.field_types import Port, SettingsModel
from cloudinit.violations import Violation, raise_all

_BY_KEY = {row.key: row for row in KERNEL}
_RANGE = "net.ipv4.ip_local_port_range"
CONNTRACK = "net.netfilter.nf_conntrack_max"
_HIGHEST = 1_073_741_816  # what systemd raises fs.nr_open to; the kernel's own ceiling is 2,147,483,584


@dataclass(frozen=True)
class KernelSetting:
    """One line that the guest applies or checks at boot."""

    key: str
    disposition: Disposition
    value: str
    why: str
    needs: str = ""

    @property
    def proc(self) -> str:
        """The file below /proc/sys that the setting is read and written by."""
        return "/proc/sys/" + self.key.replace(".", "/")


def _number_or_text(value: object) -> object:
    # A truth value would pass as 1 or 0.
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number, or several in one text")
    return value


class KernelSettings(SettingsModel):
    """Values other than the catalogue's, and its options."""

    sysctl: dict[str, Annotated[int | str, BeforeValidator(_number_or_text)]] = Field(
        default_factory=dict, description="Values in place of the catalogue's; a floor stays a floor."
    )
    bbr: bool = Field(default=False, description="fq and bbr in place of the kernel's defaults: measure first.")
    reserved_ports: tuple[Port, ...] | None = Field(
        default=None,
        description="Ports of the ephemeral range that are never given to an outbound connection. "
        "Default: every listener of the gateway that lies in the range.",
    )

    @model_validator(mode="after")
    def _rules(self) -> KernelSettings:
        found = [
            Violation(("sysctl", key), value, rule)
            for key, value in self.sysctl.items()
            if (rule := _refusal(key, str(value)))
        ]
        raise_all("KernelSettings", found)
        return self

    def value(self, key: str) -> str:
        """What is declared for a key: the user's value, or else the catalogue's."""
        return " ".join(str(self.sysctl.get(key, _BY_KEY[key].value)).split())

    @property
    def nr_open(self) -> int:
        """The most open files that any process of the guest may be given."""
        return int(self.value("fs.nr_open"))

    @property
    def backlog(self) -> int:
        """The length of every listener's accept queue: the kernel's own limit."""
        return int(self.value("net.core.somaxconn"))

    @property
    def conntrack_buckets(self) -> int:
        """One for each entry, as the kernel has it by default: each stands in the table twice, so chains are of two."""
        return int(self.value(CONNTRACK))

    conntrack_bytes_each: ClassVar[int] = 8 + 256
    """A bucket, and the kernel's `struct nf_conn` in its cache: /sys/kernel/slab/nf_conntrack/object_size."""

    @property
    def conntrack_bytes(self) -> int:
        """What the table of connections takes when it is full."""
        return self.conntrack_buckets * self.conntrack_bytes_each

    @property
    def ephemeral_range(self) -> str:
        """The ports of outbound connections, as nftables writes a range: `1024-65535`."""
        return self.value(_RANGE).replace(" ", "-")

    def reserves(self, port: int) -> bool:
        """Whether no outbound connection can ever take `port`."""
        low, high = (int(word) for word in self.value(_RANGE).split())
        return not low <= port <= high or self.reserved_ports is None or port in self.reserved_ports

    def declared(self, listeners: tuple[int, ...], kernel: str) -> tuple[KernelSetting, ...]:
        """Every setting that a guest with Linux `kernel` applies or checks, in the catalogue's order."""
        wanted = [row for row in KERNEL if row.disposition is not Disposition.REJECT and row.known_to(kernel)]
        lines = [_line(row, self.value(row.key)) for row in wanted if row.disposition is not Disposition.OPTION]
        if reserved := self._reserved(listeners):
            why = "listeners inside the ephemeral range, which an outbound connection could take"
            lines.append(KernelSetting("net.ipv4.ip_local_reserved_ports", Disposition.SET, reserved, why))
        if self.bbr:
            lines += [_line(row, self.value(row.key)) for row in wanted if row.disposition is Disposition.OPTION]
        return tuple(lines)

    def unknown_to(self, kernel: str) -> list[Violation]:
        """What is asked for by name and Linux `kernel` does not have."""
        keys = [(("sysctl", key), value, _BY_KEY[key]) for key, value in self.sysctl.items()]
        options = [(("bbr",), True, row) for row in KERNEL if self.bbr and row.disposition is Disposition.OPTION]
        return [
            Violation(
                ("kernel", *where), value, f"{row.key} needs Linux {row.since} or later, and the guest has {kernel}"
            )
            for where, value, row in [*keys, *options]
            if not row.known_to(kernel)
        ]

    def _reserved(self, listeners: tuple[int, ...]) -> str:
        low, high = (int(word) for word in self.value(_RANGE).split())
        ports = sorted({*(self.reserved_ports or ()), *(port for port in listeners if low <= port <= high)})
        return _ranges(ports)


def _line(row: Sysctl, value: str) -> KernelSetting:
    disposition = Disposition.SET if row.disposition is Disposition.OPTION else row.disposition
    return KernelSetting(row.key, disposition, value, row.why, row.needs)


def _ranges(ports: list[int]) -> str:
    """Ports as the kernel writes them: `8081,9100-9102`."""
    spans: list[list[int]] = []
    for port in ports:
        if spans and spans[-1][1] == port - 1:
            spans[-1][1] = port
        else:
            spans.append([port, port])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


def _refusal(key: str, value: str) -> str:
    """Why this key or value is refused; empty when it is not."""
    row = _BY_KEY.get(key)
    if row is None:
        near = get_close_matches(key, _BY_KEY, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        return f'"{key}" is not in the tuning catalogue{hint}'
    if row.disposition is Disposition.REJECT:
        return f"{key} is refused: {row.why}"
    if row.disposition is Disposition.ASSERT:
        return f"{key} must stay {row.value}: {row.why}"
    if row.disposition is Disposition.OPTION:
        return f"{key} comes with the setting `bbr`, not by itself"
    words, pattern = value.split(), row.value.split()
    kept = ["-"] if "-" in pattern else []
    if len(words) != len(pattern) or not all(word in kept or _is_number(word) for word in words):
        shape = "a number" if len(pattern) == 1 else f"{len(pattern)} numbers"
        return f'"{value}" is not {shape} up to {_HIGHEST}, as {key} needs'
    if row.most is not None and any(int(word) > row.most for word in words):
        return f"{value} is above {row.most}, the most that {key} can be"
    if row.disposition is Disposition.FLOOR and "0" in words:
        return f"0 is no floor for {key}; leave it out for the catalogue's"
    if key == _RANGE and not 1024 <= int(words[0]) < int(words[1]) <= 65535:
        return f'"{value}" is not a range of ports within 1024 and 65535, the lower first'
    return ""


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and word == str(int(word)) and int(word) <= _HIGHEST
