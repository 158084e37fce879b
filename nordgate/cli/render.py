"""`make render` and `make diff`: what stacks put on their machines, and what of it a change would change."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from nordgate.cli.review import change_summary
from nordgate.cli.review.changes import stack_change
from nordgate.cli.review.rendered import Tree, rendered
from nordgate.errors import NordgateError
from nordgate.settings.loader import load_file
from nordgate.settings.stack_files import stack_names

PLACE = Path(".nordgate/rendered")
COMMENT = Path(".nordgate/diff.md")
_SECONDS = 300
"""How long another commit's rendering may take."""


def render(project: Path, stacks: Sequence[str], output: Path) -> list[Path]:
    """Write the trees of the stacks, all of the project's when none is named, in place of what was there before.

    Raises SettingsError.
    """
    trees = {stack: rendered(load_file(project, stack), stack) for stack in stacks or stack_names(project)}
    for stack, tree in trees.items():
        shutil.rmtree(output / stack, ignore_errors=True)
        for path, text in tree.items():
            (output / stack / path).parent.mkdir(parents=True, exist_ok=True)
            (output / stack / path).write_text(text)
    return [output / stack for stack in trees]


def diff(project: Path, base: str) -> str:
    """What changes from where the checkout left `base` to what is in it now, as text; as Markdown in `COMMENT`.

    The other side is rendered by its own code. Raises SettingsError and NordgateError, which the Markdown then holds.
    """
    (project / COMMENT).parent.mkdir(parents=True, exist_ok=True)
    try:
        commit = _git(project, "merge-base", base, "HEAD")
        with tempfile.TemporaryDirectory(prefix="nordgate-diff-") as folder:
            settings = {stack: load_file(project, stack) for stack in stack_names(project)}
            other = _begin(project, commit, Path(folder))
            after = {stack: rendered(found, stack) for stack, found in settings.items()}
            before = _finish(other, commit, Path(folder))
    except NordgateError as error:
        (project / COMMENT).write_text(change_summary.failed(str(error)))
        raise
    found = [
        change
        for stack in sorted({*before, *after})
        if (change := stack_change(stack, before.get(stack, {}), after.get(stack, {})))
    ]
    (project / COMMENT).write_text(change_summary.markdown(found, base))
    return change_summary.text(found, base)


def _begin(project: Path, commit: str, folder: Path) -> subprocess.Popen[str]:
    """Start rendering another commit with that commit's code and today's Python environment."""
    code = folder / "code"
    code.mkdir()
    archive = folder / "code.tar"
    _git(project, "archive", "--output", str(archive), commit)
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", code], check=True, timeout=_SECONDS)
    # Commits of before 2026-11-25 have it under another name.
    program = "nordgate.cli" if (code / "nordgate").exists() else "operations"
    return subprocess.Popen(
        [sys.executable, "-m", program, "render", "--output", str(folder / "trees")],
        cwd=code, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _finish(process: subprocess.Popen[str], commit: str, folder: Path) -> Mapping[str, Tree]:
    try:
        said, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise NordgateError(f"rendering {commit[:12]} took more than {_SECONDS} s.") from None
    if process.returncode:
        why = said.strip().removeprefix("nordgate: ") or "it said nothing"
        if "Traceback (most recent call last)" in why:
            why = why.splitlines()[-1]
        raise NordgateError(f"{commit[:12]} cannot be rendered, so nothing can be compared with it:\n{why}")
    trees = folder / "trees"
    return {
        stack.name: {
            str(path.relative_to(stack)): path.read_text() for path in sorted(stack.rglob("*")) if path.is_file()
        }
        for stack in trees.glob("*/")
    }


def _git(project: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        raise NordgateError(f"git {words[0]} {words[1]}: {done.stderr.strip() or 'found nothing'}")
    return done.stdout.strip()
