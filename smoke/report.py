"""The result of a check: a small JSON object, and a short table."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smoke.evidence import Evidence
from smoke.load import Samples
from smoke.plan import Plan
from smoke.verdict import Latency, Line, Verdict, late_after, overall

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow", Verdict.SHOWN: "dim"}


@dataclass
class Result:
    """What one check found, filled while it goes on."""

    plan: Plan
    lines: list[Line] = field(default_factory=list)
    problem: str | None = None
    ready_seconds: float | None = None
    boot: str | None = None
    """The boot of the guest that was checked, as its kernel calls it."""
    tls_version: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    """Of kernel, nginx and OpenSSL in the guest."""
    samples: Samples | None = None
    latency: Latency | None = None
    evidence: Evidence | None = None

    @property
    def verdict(self) -> Verdict:
        return Verdict.FAIL if self.problem else overall(self.lines)

    def as_json(self, whole: bool = False) -> dict[str, Any]:
        """The small object; the whole one has every line and the evidence besides."""
        found: dict[str, Any] = {
            "verdict": self.verdict.value,
            "stack": self.plan.stack,
            "gateway": self.plan.gateway,
            "url": self.plan.url,
            "boot": self.boot,
            "readySeconds": _rounded(self.ready_seconds, 1),
            "tls": self.tls_version,
            "verified": self.tls_version and not self.plan.trust.insecure,
            "budgetScale": self.plan.budget.scale,
        }
        if self.samples and self.latency:
            found |= {f"p{p}": _rounded(value, 3) for p, value in self.latency.percentiles.items()}
            found |= {
                "max": _rounded(self.latency.maximum, 3),
                "count": self.latency.count,
                "rate": self.plan.load.rate if self.plan.load else None,
                "errors": sum(self.samples.errors.values()),
                "lateSends": self.samples.late(late_after(self.plan.budget)),
            }
        failing = [_sentence(line) for line in self.lines if line.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)]
        found |= {"problem": self.problem, "failing": failing}
        if whole:
            found["versions"] = self.versions
            found["lines"] = [vars(line) for line in self.lines]
            if self.samples:
                found["generator"] = {
                    "processor": _rounded(self.samples.processor, 3),
                    "worstDelay": _rounded(self.samples.worst_delay * 1000, 3),
                    "reconnects": self.samples.reconnects,
                }
            if self.evidence:
                found["evidence"] = {"console": self.evidence.console, "cloudInit": self.evidence.cloud_init}
        return {key: value for key, value in found.items() if value not in (None, [])}


def show(result: Result) -> None:
    """The table, then what failed, then what a person needs to find out why."""
    terminal = sys.stderr.isatty()
    # Without a terminal no colours, whatever the environment forces; nothing wraps in a log.
    console = Console(stderr=True, highlight=False, force_terminal=terminal, width=None if terminal else 110)
    if result.lines:
        scale = result.plan.budget.scale
        if scale != 1:
            console.print(f"Budgets are {scale:g} times the region's: this is no production stack.")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for heading in ("what", "found", "budget", "verdict"):
            table.add_column(heading)
        for line in result.lines:
            verdict = "" if line.verdict is Verdict.SHOWN else line.verdict.value
            cells = (line.what, line.found, line.budget)
            table.add_row(*map(Text, cells), Text(verdict, _STYLES[line.verdict]))
        console.print(table)
    if result.evidence:
        _block(console, "serial console, last lines", result.evidence.console)
        _block(console, "cloud-init's errors", result.evidence.cloud_init)
    sentence = result.problem or "; ".join(result.as_json().get("failing", [])) or result.plan.url
    console.print(Text(result.verdict.value.upper(), _STYLES[result.verdict]) + Text(f": {sentence}"), soft_wrap=True)


def write(result: Result, folder: Path) -> Path:
    """Write the whole result to FOLDER/STACK-GATEWAY.json, in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.plan.stack}-{result.plan.gateway}.json"
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(result.as_json(whole=True), indent=2, ensure_ascii=False) + "\n")
    return draft.replace(path)


def _block(console: Console, title: str, lines: list[str]) -> None:
    console.print(Text(f"--- {title} ---", "bold"))
    console.print(Text("\n".join(lines)), soft_wrap=True)


def _sentence(line: Line) -> str:
    return f"{line.what} is {line.found}, wanted {line.budget}"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
