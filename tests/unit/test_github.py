"""The one comment of a pull request, and folds for job summaries: with a `gh` that remembers what it was told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nordgate.cli import github
from nordgate.cli.review import change_summary
from nordgate.cli.summary import report
from nordgate.errors import NordgateError

_GH = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
words = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
if "--input" in words:
    (folder / "body").write_text(pathlib.Path(words[words.index("--input") + 1]).read_text())
    print(json.dumps({{"html_url": "https://github.example/comment"}}))
else:
    print((folder / "comments").read_text())
"""


class Hub:
    """What is said on the pull request, and what `gh` was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.says([])

    def says(self, *pages: list[dict[str, Any]]) -> None:
        (self.folder / "comments").write_text(json.dumps(pages))

    @property
    def written(self) -> list[str]:
        return list(json.loads((self.folder / "calls").read_text().splitlines()[-1]))

    @property
    def body(self) -> str:
        return str(json.loads((self.folder / "body").read_text())["body"])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    program = tmp_path / "gh"
    program.write_text(_GH.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Hub(tmp_path)


def said(number: int, body: str, by: str = "Bot") -> dict[str, Any]:
    return {"id": number, "body": body, "user": {"type": by}}


def write(text: str = f"{github.MARK}\nthe diff\n") -> str:
    return github.comment("o/r", 7, text, "success", "https://github.example/run")


def test_a_first_run_writes_a_comment(hub: Hub) -> None:
    hub.says([said(1, "hello", by="User")])
    assert write() == "https://github.example/comment"
    assert hub.written[:3] == ["api", "--method", "POST"]
    assert hub.written[3] == "repos/o/r/issues/7/comments"
    assert hub.body.startswith(f"{github.MARK}\nthe diff\n")
    assert "Preview of the production stacks: success, see [the run](https://github.example/run)." in hub.body


def test_the_next_run_edits_it_even_on_the_second_page(hub: Hub) -> None:
    hub.says([said(number, "talk", by="User") for number in range(100)], [said(205, f"{github.MARK}\nold")])
    write()
    assert hub.written[2:4] == ["PATCH", "repos/o/r/issues/comments/205"]


def test_a_person_who_quotes_the_comment_is_not_overwritten(hub: Hub) -> None:
    hub.says([said(3, f"{github.MARK}\nlook at this", by="User")])
    write()
    assert hub.written[2] == "POST"


def test_a_diff_that_failed_is_told_too(hub: Hub) -> None:
    write("")
    assert "could not be told" in hub.body


def test_the_last_line_is_dropped_before_the_comment_gets_too_long(hub: Hub) -> None:
    write(github.MARK + "x" * (65_536 - len(github.MARK)))
    assert len(hub.body) == 65_536


def test_without_gh_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NordgateError, match="gh not found"):
        write()


def test_the_mark_is_the_one_that_the_document_starts_with() -> None:
    assert github.MARK == change_summary.MARK
    assert change_summary.markdown([], "main").startswith(github.MARK)
    assert change_summary.failed("broken").startswith(github.MARK)


def test_a_fold_cannot_be_ended_by_what_is_in_it_and_keeps_the_end() -> None:
    folded = github.fold("Preview of oslo", "````\n" + "line\n" * 300_000 + "Resources: 3 to replace")
    assert len(folded.encode()) < 1 << 20
    assert "Resources: 3 to replace" in folded
    assert "\n`````\n" in github.fold("x", "````")


def test_make_comment_says_what_is_missing_outside_of_a_workflow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nordgate.cli.github", "comment", "7", str(tmp_path / "none"), "--preview", "success"],
        cwd=Path(__file__).parents[2], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "nordgate: GITHUB_REPOSITORY is not set: this is for workflows, which set it.\n"


def test_the_smoke_reports_of_a_stack_go_into_the_job_summary(tmp_path: Path) -> None:
    for stack in ("oslo", "london"):
        (tmp_path / f"{stack}-gw1.json").write_text(json.dumps({"stack": stack}))
        (tmp_path / f"{stack}-gw1.md").write_text(f"### pass: {stack} gw1\n")
    assert report("oslo", tmp_path) == "### pass: oslo gw1\n"
    assert "None ran" in report("bergen", tmp_path)


def test_a_text_without_the_mark_is_found_again_all_the_same(hub: Hub) -> None:
    """It comes from the branch, which may have anything rendered."""
    write("something else")
    assert hub.body.startswith(f"{github.MARK}\nsomething else")
