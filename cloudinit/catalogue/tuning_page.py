"""The catalogue as a page of the documentation."""

from __future__ import annotations

from cloudinit.catalogue.row import Area, Directive, Disposition, Row, Sysctl
from cloudinit.catalogue.rows import ROWS
from cloudinit.platforms import PLATFORMS

_HEAD = """\
<!-- Made by `python -m cloudinit.catalogue > docs/tuning.md`; a test fails when it is stale. -->
# Tuning: every setting, what the sources say, and why

`set`: exactly this value. `floor`: at least this; a better running value is never lowered. `assert`: must hold
already; checked. `show`: measured and told, promised by nobody. `reject`: refused. `option`: off unless asked for. The
sources (A14 to A20b) are the five articles that [tuning-sources.md](tuning-sources.md) names.

A value that a gateway's settings change is shown with its default.
"""


def tuning_page() -> str:
    """The whole page, ending with a line break."""
    parts = [_HEAD]
    for area in Area:
        rows = sorted((row for row in ROWS if row.area is area), key=_position)
        parts.append(
            f"\n## {area}\n| what | value | does | valid for | sources say | why |\n|---|---|---|---|---|---|\n"
        )
        parts += [_line(row) for row in rows]
    parts.append("\n## What holds the assertions\n| what | held by |\n|---|---|\n")
    parts += [f"| {_name(row)} | {_proof(row)} |\n" for row in ROWS if row.disposition is Disposition.ASSERT]
    parts.append("\n## Platforms\n| platform | nginx | OpenSSL | cloud-init | kernel | HTTP/2 | HTTP/3 | tickets |\n")
    parts.append("|---|---|---|---|---|---|---|---|\n")
    for platform in PLATFORMS.values():
        http2 = "`http2 on`" if platform.http2_directive else "`listen ... http2`"
        cells = (
            f"{platform.title}: `{platform.name}`",
            f"[{platform.nginx}]({platform.source('nginx')})",
            f"[{platform.openssl}]({platform.source('openssl')})",
            f"[{platform.cloud_init}]({platform.source('cloud-init')})",
            f"[{platform.kernel}]({platform.source(platform.kernel_package)})",
            http2,
            "option" if platform.http3_module else "no",
            "on" if platform.session_tickets else "off",
        )
        parts.append(f"| {' | '.join(cells)} |\n")
    return "".join(parts)


def _position(row: Row) -> int:
    """Rows of one item together, where the first of them stands."""
    return next(index for index, other in enumerate(ROWS) if other.item == row.item)


def _name(row: Row) -> str:
    if isinstance(row, Sysctl):
        return row.key
    return row.directive if isinstance(row, Directive) else row.item


def _proof(row: Row) -> str:
    kind, _, key = row.proof.partition(" ")
    if kind == "check":
        return f"the check `{key}` in every guest, by each smoke check and `make verify`"
    return f"`{row.proof}`"


def _line(row: Row) -> str:
    name = _name(row)
    value = f"`{row.value.replace(':', ': ')}`" if row.value and not row.value.startswith("`") else row.value
    cells = (name, value or "-", row.disposition, _valid(row), row.says or "-", row.why)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _valid(row: Row) -> str:
    if isinstance(row, Sysctl):
        kernels = f"Linux {row.since}" + (f" until {row.removed}" if row.removed else " and later")
        return f"{kernels}, with {row.needs}" if row.needs else kernels
    if isinstance(row, Directive) and row.since:
        return f"nginx {row.since} and later"
    return row.valid or "all"
