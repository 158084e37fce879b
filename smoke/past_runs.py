"""The former runs of a gateway, one JSON line each, and how the newest compares with them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from smoke.report_document import Report

_KEPT = 200
_COMPARED = 20
"""The newest run is held against so many before it."""


@dataclass(frozen=True)
class Past:
    """A former run's series; latency in milliseconds."""

    at: str
    verdict: str
    series: str
    p50: float
    p99: float


def read(path: Path) -> list[Past]:
    """What the file holds, oldest first; a line that a crash cut short is passed over."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(Past(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def add(path: Path, report: Report) -> None:
    """Add the report's series to the file, and drop what is older than the newest few hundred."""
    kept = [*read(path), *present(report)][-_KEPT:]
    draft = path.with_name(path.name + ".tmp")
    draft.write_text("".join(json.dumps(asdict(past)) + "\n" for past in kept))
    draft.replace(path)


def present(report: Report) -> list[Past]:
    """This run as it will be remembered."""
    return [
        Past(
            report.at.isoformat(),
            report.verdict,
            key(one.vantage, one.path, one.protocol),
            one.latency.p50,
            one.latency.p99,
        )
        for one in report.series
    ]


def key(vantage: str, path: str, protocol: str) -> str:
    """What makes two runs comparable."""
    return f"{vantage} {path} {protocol}"


def of(series: str, former: list[Past]) -> list[Past]:
    """The runs of a series that the newest is held against."""
    return [past for past in former if past.series == series][-_COMPARED:]


def change(value: float, former: list[float]) -> str:
    """The newest against the median of the former: `+12 % against the median of 8 runs`; empty without any."""
    if not former or not (usual := median(former)):
        return ""
    runs = "1 run" if len(former) == 1 else f"{len(former)} runs"
    return f"{(value / usual - 1) * 100:+.0f} % against the median of {runs}"
