"""What the workflows tell people: the one comment of a pull request, and long text folded into a job summary.

Standard library only: it runs where nothing has been installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from nordgate.console import run_tool
from nordgate.errors import NordgateError

MARK = "<!-- nordgate: what changes -->"
"""The first line of the comment: nordgate/cli/review/change_summary.py writes it."""

_LIMIT = 65_536
_SUMMARY = 900_000
"""Bytes of one fold; GitHub takes a MiB from each step."""
_BOUND = 60


def comment(repository: str, number: int, text: str, preview: str, run: str) -> str:
    """Write the pull request's comment, or what it now says into the one that is there; its address.

    `text` is empty when nothing could be rendered; `preview` is how the previews ended and `run` where that can be
    read.
    """
    text = text or f"{MARK}\nWhat changes could not be told: the job that renders it failed.\n"
    if not text.startswith(MARK):  # it comes from the branch, and would not be found again
        text = f"{MARK}\n{text}"
    body = text
    body += f"\nPreview of the production stacks: {preview}, see [the run]({run}).\n"
    if len(body.encode()) > _LIMIT:
        # The table and the beginning of the folds are worth more than the line above.
        body = text.encode()[:_LIMIT].decode(errors="ignore")
    place = f"repos/{repository}/issues"
    listing = _gh("--paginate", "--slurp", f"{place}/{number}/comments?per_page=100")
    found = [one for page in json.loads(listing) for one in page if one["body"].startswith(MARK)]
    # Someone may quote it; only what a workflow wrote is ours to edit.
    ours = [one for one in found if one["user"]["type"] == "Bot"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"body": body}, file)
        file.flush()
        if ours:
            target = ("--method", "PATCH", f"{place}/comments/{ours[0]['id']}")
        else:
            target = ("--method", "POST", f"{place}/{number}/comments")
        written = _gh(*target, "--input", file.name)
    return str(json.loads(written)["html_url"])


def fold(title: str, text: str) -> str:
    """Text as it was printed, in a fold; of more than a summary takes, the end, which says how it went."""
    data = text.encode()
    if len(data) > _SUMMARY:
        text = "…\n" + data[-_SUMMARY:].decode(errors="ignore").partition("\n")[2]
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"<details>\n<summary>{title}</summary>\n\n{fence}\n{text}\n{fence}\n\n</details>\n"


def _gh(*words: str) -> str:
    try:
        done = subprocess.run(["gh", "api", *words], capture_output=True, text=True, check=False, timeout=_BOUND)
    except FileNotFoundError:
        raise NordgateError("gh not found: install GitHub's command line, or run this where workflows run.") from None
    if done.returncode:
        raise NordgateError(f"gh api: {' '.join(done.stderr.split())}")
    return done.stdout


def main() -> None:
    """Carry out one command line."""
    parser = argparse.ArgumentParser(prog="python3 -m nordgate.cli.github", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("comment", help="write or edit the comment of a pull request")
    one.add_argument("number", type=int)
    one.add_argument("file", type=Path)
    one.add_argument("--preview", required=True, help="how the previews ended")
    other = verbs.add_parser("fold", help="print a file as a fold for a job summary")
    other.add_argument("title")
    other.add_argument("file", type=Path)
    arguments = parser.parse_args()
    text = arguments.file.read_text() if arguments.file.exists() else ""
    if arguments.verb == "fold":
        print(fold(arguments.title, text))
        return
    try:
        repository, server, run = (os.environ[f"GITHUB_{name}"] for name in ("REPOSITORY", "SERVER_URL", "RUN_ID"))
    except KeyError as error:
        raise NordgateError(f"{error.args[0]} is not set: this is for workflows, which set it.") from None
    page = f"{server}/{repository}/actions/runs/{run}"
    print(comment(repository, arguments.number, text, arguments.preview, page))


if __name__ == "__main__":
    run_tool(main)
