"""The result of a check for people and programs: a table on the screen, and the files of a report folder."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smoke import html_page, markdown, past_runs
from smoke.diagnostics import Evidence
from smoke.result import Result
from smoke.verdict import Verdict

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow", Verdict.SHOWN: "dim"}


def show(result: Result, brief: bool = False, kept: Path | None = None) -> None:
    """The table, then what failed, then what a person needs to find out why. `brief` only counts what passed.

    `kept` is the folder of the evidence.
    """
    terminal = sys.stderr.isatty()
    # Without a terminal no colours, whatever the environment forces; nothing wraps in a log.
    console = Console(stderr=True, highlight=False, force_terminal=terminal, width=None if terminal else 110)
    if result.judged:
        scale = result.plan.budget_scale
        if scale != 1:
            console.print(f"Budgets are {scale:g} times the region's: this is no production stack.")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("what", no_wrap=True)
        for heading in ("found", "budget", "verdict"):
            table.add_column(heading, overflow="fold")
        title = ""
        if brief and (passed := sum(line.verdict is Verdict.PASS for line in result.lines)):
            table.add_row("proofs", f"{passed} of {len(result.lines)}", "", "")
        for label, line in result.judged:
            if brief and line in result.lines and line.verdict is not Verdict.FAIL:
                continue
            if label != title:
                title = label
                table.add_section()
                table.add_row(Text(title, "bold"))
            verdict = "" if line.verdict is Verdict.SHOWN else line.verdict.value
            cells = (line.what, line.found, line.budget)
            table.add_row(*map(Text, cells), Text(verdict, _STYLES[line.verdict]))
        console.print(table)
    for note in (note for one in result.series for note in one.notes):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    if result.evidence and result.problem:
        _block(console, "serial console, last lines", result.evidence.console)
        _block(console, "cloud-init's errors", result.evidence.cloud_init)
    if kept:
        console.print(Text(f"evidence: {kept}"), soft_wrap=True)
    _conclude(console, result)


def _conclude(console: Console, result: Result) -> None:
    """The likeliest cause first and what to do about it; without one, everything that failed."""
    seen = [*filter(None, [result.problem]), *result.failing]
    first = result.causes[0].sentence if result.causes else result.problem or "; ".join(seen) or result.plan.url
    head = Text(result.verdict.value.upper(), _STYLES[result.verdict]) + Text(f": {first}")
    console.print(head, soft_wrap=True)
    if not result.causes:
        return
    rows = {
        "do": [result.causes[0].remedy],
        "shown by": result.causes[0].evidence,
        "failed": seen,
        "also": [other.sentence for other in result.causes[1:]],
    }
    for title, sentences in rows.items():
        for number, sentence in enumerate(sentences):
            console.print(Text(f"  {'' if number else title + ':':<10}{sentence}"), soft_wrap=True)


def write(result: Result, folder: Path, profile: str | None = None) -> Path:
    """Write STACK-GATEWAY.json, .md and .html to the folder, each in one step, and add to its history; the page.

    Another load than the plan's is another history: its profile is part of the names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = result.report()
    stem = folder / "-".join(filter(None, (result.plan.stack, result.plan.gateway, profile)))
    past = stem.with_name(stem.name + ".history.jsonl")
    former = past_runs.read(past)
    _replace(stem, ".json", json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
    _replace(stem, ".md", markdown.markdown(report, former))
    past_runs.add(past, report)
    if result.evidence:
        keep(result.evidence, evidence_folder(result, folder))
    return _replace(stem, ".html", html_page.html(report, [one.rounds for one in result.series], former))


def evidence_folder(result: Result, folder: Path) -> Path:
    """Where the evidence of a failed check lies below the report folder."""
    return folder / f"{result.plan.stack}-{result.plan.gateway}-evidence"


def keep(evidence: Evidence, folder: Path) -> None:
    """Write what was collected to a folder of its own, in place of what a former check left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in evidence.files.items():
        (folder / name).write_text(text)


def _replace(stem: Path, suffix: str, text: str) -> Path:
    path = stem.with_name(stem.name + suffix)
    draft = stem.with_name(f"{stem.name}{suffix}.{os.getpid()}.tmp")
    draft.write_text(text)
    return draft.replace(path)


def _block(console: Console, title: str, lines: list[str]) -> None:
    console.print(Text(f"--- {title} ---", "bold"))
    console.print(Text("\n".join(lines)), soft_wrap=True)
