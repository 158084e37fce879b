"""The table of what the catalogue takes for granted about the kernel, and how a running kernel is asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

_TABLE = Path(__file__).with_name("unit") / "cloudinit" / "kernel_facts.yaml"


@dataclass(frozen=True)
class Fact:
    """One row. `bound` is `documented` where the kernel itself takes more than `most`."""

    key: str
    default: str
    document: tuple[str, str]
    most: int | None = None
    bound: str = "kept"

    @property
    def observable(self) -> bool:
        return self.default not in ("shared", "computed")


FACTS = {
    key: Fact(key, str(row.pop("default")), tuple(row.pop("document")), **row)
    for key, row in yaml.safe_load(_TABLE.read_text()).items()
}
ASKED = [fact for fact in FACTS.values() if fact.observable or fact.most is not None]


def questions() -> str:
    """A bash script for a network namespace of its own: for each fact its default, and whether its bound is kept."""
    lines = ['at() { file=/proc/sys/${1//.//}; read -ra found <"$file"; echo "$1 default ${found[*]}"; }']
    lines.append('taken() { echo "$1" >"$file"; } 2>/dev/null')
    for fact in ASKED:
        lines.append(f"at {fact.key}")
        if fact.most is not None:
            lines.append(f'taken {fact.most} && echo "{fact.key} takes most"')
            # Well above, for what is counted in ticks: how many there are in a second differs.
            lines.append(f'taken {fact.most * 1000 + 1} || echo "{fact.key} refuses more"')
    return "\n".join(lines) + "\n"


def answers_wanted() -> list[str]:
    """What a kernel answers of which all facts are true."""
    lines = []
    for fact in ASKED:
        lines.append(f"{fact.key} default {fact.default}")
        if fact.most is not None:
            lines += [f"{fact.key} takes most", f"{fact.key} refuses more"]
    return lines
