"""What somebody who joins goes by: hooks that are the linters, a license, a changelog of this version."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate import __version__

PROJECT = Path(__file__).parents[2]


def described() -> dict[str, Any]:
    """What pyproject.toml says of the project."""
    project: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return project


def test_the_hooks_before_a_commit_are_the_linters_and_nothing_more() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    recipe = re.search(r"^lint:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)
    assert recipe
    python = re.search(r"^PYTHON := (\S+)$", makefile, re.MULTILINE)
    assert python
    commands = [line.strip().replace("$(PYTHON)", python[1]) for line in recipe[1].splitlines()]
    linters = [command for command in commands if "toolchain" not in command]
    (repository,) = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "nothing is downloaded"
    assert [hook["entry"] for hook in repository["hooks"]] == linters
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in repository["hooks"])


def test_the_license_is_told_where_tools_look_for_it() -> None:
    assert described()["license"] == "Apache-2.0"
    text = (PROJECT / "LICENSE").read_text()
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]


def test_the_version_stands_once_and_help_shows_it() -> None:
    description = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert "version" not in description["project"]
    assert description["project"]["dynamic"] == ["version"]
    assert description["tool"]["setuptools"]["dynamic"] == {"version": {"attr": "nordgate.__version__"}}
    words = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout.startswith(f"nordgate {__version__}\n")


def test_the_newest_entry_of_the_changelog_is_of_this_version() -> None:
    entries = re.findall(r"^## ([\d.]+) - \d{4}-\d{2}-\d{2}$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert entries[0] == __version__
    assert entries == sorted(set(entries), key=lambda entry: [int(part) for part in entry.split(".")], reverse=True)


def updates(ecosystem: str) -> list[dict[str, Any]]:
    """What the bot is told about one kind of dependency."""
    told = yaml.safe_load((PROJECT / ".github/dependabot.yml").read_text())["updates"]
    return [one for one in told if one["package-ecosystem"] == ecosystem]


@pytest.mark.parametrize(
    ("ecosystem", "pattern"),
    [("pip", "*requirements*.txt"), ("gomod", "go.mod"), ("github-actions", ".github/workflows/*.yml")],
)
def test_every_file_that_pins_something_is_looked_after_once(ecosystem: str, pattern: str) -> None:
    listed = [folder for one in updates(ecosystem) for folder in one["directories"]]
    found = subprocess.run(
        ["git", "ls-files", "--", f":(glob)**/{pattern}"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {Path(path).parent.as_posix().removesuffix(".github/workflows") for path in found}
    assert sorted(listed) == sorted(f"/{folder}".removesuffix(".") for folder in folders)


def test_what_the_bot_passes_over_stays_behind_for_a_reason_that_is_told() -> None:
    page = (PROJECT / "docs/toolchain.md").read_text().partition("## What is not the newest, and why")[2]
    for one in [*updates("pip"), *updates("gomod")]:
        for ignored in one.get("ignore", []):
            name = re.sub(r"^github\.com/(?:dmacvicar/|pulumi/)?|/v\d+$", "", ignored["dependency-name"])
            assert f"`{name}`" in page or f"`{ignored['dependency-name']}`" in page, name
