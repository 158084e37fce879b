"""What `make up` says at the end: where the gateways are, how fast they are, and what can be done next."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tools.console import Problem


def outputs(stack: str) -> dict[str, Any]:
    """The stack's outputs. Raises Problem when Pulumi has none to give."""
    result = subprocess.run(
        ["pulumi", "stack", "output", "--json", "--stack", stack], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise Problem(f"stack {stack} has no outputs: {' '.join(result.stderr.split())}")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def report(stack: str, folder: Path) -> str:
    """The smoke reports of the stack's gateways in `folder`, as Markdown for a job summary."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    reports = [one for one in found if one.get("stack") == stack]
    if not reports:
        return f"### Smoke check of {stack}\n\nNone ran: no gateway has changed."
    columns = ("gateway", "verdict", "p50 ms", "p99 ms", "errors", "ready after s", "budgets, times the region's")
    keys = ("gateway", "verdict", "p50", "p99", "errors", "readySeconds", "budgetScale")
    lines = [f"### Smoke check of {stack}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(_cell(one.get(key, '-')) for key in keys)} |" for one in reports]
    said = [one["problem"] for one in reports if one.get("problem")]
    said += [sentence for one in reports for sentence in one.get("failing", [])]
    return "\n".join([*lines, *(f"\n- {' '.join(sentence.split())}" for sentence in said)])


def _cell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def summary(stack: str) -> str:
    """The closing lines."""
    found = outputs(stack)
    if not found.get("urls"):
        return f"{stack} is empty."
    lines = []
    for name, url in found["urls"].items():
        smoke = found["smoke"][name]
        lines += [
            "",
            f"{stack} {name}   {smoke['verdict']}   p50 {smoke['p50']:.1f} ms   p99 {smoke['p99']:.1f} ms"
            + (f"   (budgets: {scale:g} times the region's)" if (scale := smoke.get("budgetScale", 1)) != 1 else ""),
            f"  URL       {url}/   (certificate made by the gateway itself: curl -k)",
            f"  log in    make ssh STACK={stack} GATEWAY={name}",
            f"  console   make console STACK={stack} GATEWAY={name}",
        ]
    return "\n".join(lines)
