"""A part of a stack is not deployed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nordgate.deployment.invocation import refuse_parts
from nordgate.errors import NordgateError

PROJECT = Path(__file__).parents[2]
TARGET = "urn:pulumi:oslo::nordgate::libvirt:index/domain:Domain::gw1-domain"


@pytest.mark.parametrize("verb", ["up", "update", "preview", "pre"])
@pytest.mark.parametrize(
    "words",
    [
        ["--target", TARGET], [f"--target={TARGET}"], ["-t", TARGET], ["-yt", TARGET], ["--target-replace", TARGET],
        ["--target-dependents"], ["--exclude", TARGET], ["--exclude-dependents"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_part_of_a_stack_is_refused_with_what_to_do_instead(verb: str, words: list[str]) -> None:
    with pytest.raises(NordgateError, match=f"so leave out {words[0].partition('=')[0]}: .*NORDGATE_REBUILD=GATEWAY"):
        refuse_parts([verb, "--stack", "oslo", *words, "--yes"])


@pytest.mark.parametrize(
    "words",
    [
        ["up", "--stack", "oslo", "--yes", "--skip-preview"],
        ["up", "-s", "oslo-test", "-y", "-f", "-r"],
        ["preview", "-soslo-test", "--diff", "--expect-no-changes"],
        ["up", "--replace", TARGET],
        ["up", "-m", "a target of ours"],
        ["destroy", "--target", TARGET, "--run-program"],
        ["refresh", "--target", TARGET],
        [],
    ],
    ids=" ".join,
)
def test_everything_else_is_not(words: list[str]) -> None:
    refuse_parts(words)


@pytest.mark.parametrize(
    ("words", "code"), [(["up", "--target", TARGET], 1), (["up", "--yes"], 0), (["about", "-t"], 0)]
)
def test_it_is_seen_through_what_runs_between_pulumi_and_the_program(
    tmp_path: Path, words: list[str], code: int
) -> None:
    # A shell by that name, whose further words count for nothing.
    shutil.copy2(shutil.which("bash") or "", tmp_path / "pulumi")
    program = f"{sys.executable} -c 'from nordgate.deployment.invocation import refuse_parts; refuse_parts()'"
    between = f'sh -c "{program}; exit \\$?"; exit $?'
    done = subprocess.run(
        [tmp_path / "pulumi", "-c", between, *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert ("a stack is deployed whole" in done.stderr) is bool(code)
