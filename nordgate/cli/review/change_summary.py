"""What changes, for people: as text on a terminal, and as the Markdown of one comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nordgate.cli.review.changes import FileChange, StackChange
from nordgate.deployment.transition import listed

MARK = "<!-- nordgate: what changes -->"
"""The first line of the comment, by which the next run finds it again."""

LIMIT = 65_536
"""Characters of a comment that GitHub takes; counted in bytes here, which is never too many."""

_HEADING = "What changes on the machines"
_COLUMNS = ("stack", "replaced", "updated in place", "restarts", "expected interruption")
_NOTHING = "-"
_SPARE = 400
"""Bytes kept for the fold around each stack's diff."""


def text(changes: Sequence[StackChange], base: str) -> str:
    """The summary and every diff, whole."""
    if not changes:
        return f"No changes: every stack puts on its machines what it did at {base}.\n"
    blocks = []
    for change in changes:
        rows = dict(zip(_COLUMNS, _row(change), strict=True))
        blocks.append(f"{change.stack}\n" + "".join(f"  {name:<22} {rows[name]}\n" for name in _COLUMNS[1:]))
        blocks += [f"  note: {note}\n" for note in _notes(change)]
        blocks.append("\n" + _diffs(change) + "\n\n")
    return "".join(blocks).rstrip("\n") + "\n"


def markdown(changes: Sequence[StackChange], base: str) -> str:
    """The comment: a table, then each stack's diffs in a fold, cut at the end of a line where they are too long."""
    if not changes:
        return f"{MARK}\n### {_HEADING}\n\nNo changes: every stack puts on its machines what it did at `{base}`.\n"
    table = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    table += [f"| {' | '.join(_row(change))} |" for change in changes]
    notes = [f"- **{change.stack}**: {note}" for change in changes for note in _notes(change)]
    head = "\n".join([MARK, f"### {_HEADING}", "", f"Against `{base}`.", "", *table, *(["", *notes] if notes else [])])
    left = LIMIT - len(head.encode())
    folds = []
    for index, change in enumerate(changes):
        fold = _fold(change, left // (len(changes) - index), base)
        left -= len(fold.encode())
        folds.append(fold)
    return head + "\n" + "".join(folds)


def failed(problem: str) -> str:
    """The comment for files that cannot be rendered."""
    shown, fence = _fenced(problem, LIMIT - _SPARE, "make check")
    return f"{MARK}\n### {_HEADING}\n\nCannot be told: there is something wrong first.\n\n{fence}\n{shown}\n{fence}\n"


def _row(change: StackChange) -> tuple[str, ...]:
    if change.is_gone:
        return change.stack, "nothing: the stack has no file any more", _NOTHING, _NOTHING, change.interruption
    replaced = [f"{listed(change.replaced)} (root volume, seed disk, domain)"] if change.replaced else []
    replaced += [f"{'new stack' if change.is_new else 'made'}: {listed(change.created)}"] if change.created else []
    replaced += (
        [f"made: pool and image on {listed(change.new_hosts)}"] if change.new_hosts and not change.is_new else []
    )
    replaced += [f"deleted: {listed(change.deleted)}"] if change.deleted else []
    replaced += [f"pool, network or connection of {listed(change.hosts)}"] if change.hosts else []
    in_place = [f"smoke check of {listed(change.checked)}"] if change.checked else []
    in_place += [f"nothing on {listed(change.commented)}: comments alone"] if change.commented else []
    in_place += [f"data volume of {listed(change.grown)} grown"] if change.grown else []
    restarts = listed(change.replaced) or _NOTHING
    columns = "; ".join(replaced) or _NOTHING, "; ".join(in_place) or _NOTHING, restarts
    return change.stack, *columns, change.interruption


def _notes(change: StackChange) -> list[str]:
    if change.is_gone:
        return [
            f"nothing deploys or deletes {listed(change.deleted)} any more: `pulumi destroy` the stack where its file "
            "still is"
        ]
    return [*(f"`up` and `preview` refuse: {sentence}" for sentence in change.refused), *change.warned]


def _diffs(change: StackChange) -> str:
    return "\n".join(_titled(change.stack, file) for file in change.files)


def _titled(stack: str, file: FileChange) -> str:
    name = f"{stack}/{file.where}"
    before = "/dev/null" if file.kind == "added" else name
    after = "/dev/null" if file.kind == "removed" else name
    return f"--- {before}\n+++ {after}\n{file.diff}"


def _fold(change: StackChange, room: int, base: str) -> str:
    """One stack's diffs within `room` bytes."""
    whole = _diffs(change)
    count = len(change.files)
    summary = f"{change.stack}: {count} {'file' if count == 1 else 'files'}"
    shown, fence = _fenced(whole, room - _SPARE, f"make diff BASE={base}")
    return f"\n<details>\n<summary>{summary}</summary>\n\n{fence}diff\n{shown}\n{fence}\n\n</details>\n"


def _fenced(whole: str, room: int, command: str) -> tuple[str, str]:
    """What of a text fits into `room` bytes together with its fences, and the fence."""
    shown = _cut(whole, room - 2 * len(_fence(whole)), command)
    return shown, _fence(shown)


def _cut(whole: str, room: int, command: str) -> str:
    if len(whole.encode()) <= room:
        return whole
    lines, kept, used = whole.split("\n"), 0, 0
    while kept < len(lines) and used + len(lines[kept].encode()) + 1 <= room - 100:
        used += len(lines[kept].encode()) + 1
        kept += 1
    return "\n".join([*lines[:kept], f"… {len(lines) - kept} more lines; `{command}` shows them all"])


def _fence(content: str) -> str:
    """Longer than any run of backticks inside, so that nothing rendered can end it."""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    return "`" * max(3, longest + 1)
