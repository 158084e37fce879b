"""What `make up` says at the end: where the gateways are, how fast they are, and what can be done next."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from nordgate.errors import NordgateError

_SECONDS = 120
"""For a backend to say what a stack exported."""


def outputs(stack: str) -> dict[str, Any]:
    """The stack's outputs. Raises NordgateError when Pulumi has none to give."""
    words = ["pulumi", "stack", "output", "--json", "--stack", stack]
    try:
        result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise NordgateError(f"{' '.join(words)} did not end within {_SECONDS} s: does the backend answer?") from None
    if result.returncode:
        raise NordgateError(f"stack {stack} has no outputs: {' '.join(result.stderr.split())}")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def report(stack: str, folder: Path) -> str:
    """The smoke reports of the stack's gateways in `folder`, as Markdown for a job summary."""
    reports = [path.with_suffix(".md").read_text() for path in sorted(folder.glob("*.json")) if _is_of(stack, path)]
    return "\n".join(reports) or f"### Smoke check of {stack}\n\nNone ran: no gateway has changed."


def _is_of(stack: str, path: Path) -> bool:
    """Whether it is a report of the stack; one that was cut off is nobody's."""
    try:
        return bool(json.loads(path.read_bytes())["stack"] == stack) and path.with_suffix(".md").is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def after_failure(stack: str) -> str:
    """What to know below the words of a deployment that failed."""
    return (
        "\nOutputs that Pulumi shows above as deleted (- urls) are not: `pulumi stack output` still has those of\n"
        f"the last deployment of {stack} that succeeded. The next one goes on from here."
    )


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
            *([f"  report    {smoke['report']}"] if "report" in smoke else []),
            f"  log in    make ssh STACK={stack} GATEWAY={name}",
            f"  console   make console STACK={stack} GATEWAY={name}",
        ]
    return "\n".join(lines)
