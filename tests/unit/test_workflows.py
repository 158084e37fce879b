"""What the workflows promise: minimal rights, pinned actions, nothing secret for forks, nothing cut off half-way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.settings.stack_files import why_not_named
from tests.tables import first

PROJECT = Path(__file__).parents[2]
TEXTS = {path.stem: path.read_text() for path in sorted((PROJECT / ".github/workflows").glob("*.yml"))}
# YAML takes the key `on` for true.
WORKFLOWS: dict[str, dict[Any, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = [(name, job, body) for name, workflow in WORKFLOWS.items() for job, body in workflow["jobs"].items()]


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job, body in JOBS:
        for step in body["steps"]:
            yield f"{name}/{job}", step


def uses_credentials(body: dict[str, Any]) -> bool:
    return "secrets." in str(body) or "environment" in body


def test_there_is_one_for_pull_requests_one_for_main_and_one_for_the_night() -> None:
    assert {name: set(workflow[True]) for name, workflow in WORKFLOWS.items()} == {
        "pull-request": {"pull_request"},
        "deploy": {"push"},
        "drift": {"schedule", "workflow_dispatch"},
    }


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_but_those_that_a_job_asks_for(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}


def test_one_job_may_write_and_only_comments() -> None:
    rights = {(name, job): body["permissions"] for name, job, body in JOBS}
    assert rights.pop(("pull-request", "comment")) == {"contents": "read", "pull-requests": "write"}
    assert all(permissions == {"contents": "read"} for permissions in rights.values())


def test_the_job_that_may_write_runs_the_base_branchs_code() -> None:
    checkout = WORKFLOWS["pull-request"]["jobs"]["comment"]["steps"][0]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


def test_every_action_is_pinned_and_keeps_no_token() -> None:
    for where, step in steps():
        if "uses" in step:
            assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"]), where
            assert step["with"]["persist-credentials"] is False, where


def test_no_expression_stands_in_a_script() -> None:
    for where, step in steps():
        assert "${{" not in step.get("run", ""), where


def test_a_fork_gets_no_secret_and_no_runner_of_ours() -> None:
    for name, job, body in JOBS:
        if name == "pull-request" and (uses_credentials(body) or "self-hosted" in body["runs-on"]):
            assert "head.repo.full_name == github.repository" in body["if"], job
    assert "pull_request_target:" not in "".join(TEXTS.values())


def test_credentials_come_from_an_environment_of_the_stack() -> None:
    for name, job, body in JOBS:
        if "secrets." in str(body):
            wanted = "${{ matrix.stack }}" + {"deploy": "", "drift": "-drift", "pull-request": "-preview"}[name]
            assert body["environment"] == wanted, f"{name}/{job}"


def test_main_goes_to_one_region_at_a_time_and_is_never_cut_off() -> None:
    deploy = WORKFLOWS["deploy"]
    up = deploy["jobs"]["up"]
    assert up["strategy"]["max-parallel"] == 1
    assert up["concurrency"] == {"group": "stack-${{ matrix.stack }}", "cancel-in-progress": False}
    assert deploy["concurrency"]["cancel-in-progress"] is False


def test_the_night_changes_nothing_and_waits_for_a_deployment() -> None:
    drift = WORKFLOWS["drift"]["jobs"]["drift"]
    assert drift["concurrency"] == WORKFLOWS["deploy"]["jobs"]["up"]["concurrency"]
    recipe = (PROJECT / "Makefile").read_text().partition("\ndrift:")[2].partition("\n\n")[0]
    assert "--preview-only --expect-no-changes" in recipe
    assert "nordgate.cli verify" in recipe


def test_the_comment_is_written_also_when_something_failed_and_never_by_a_run_that_is_over() -> None:
    comment = WORKFLOWS["pull-request"]["jobs"]["comment"]
    assert comment["needs"] == ["diff", "preview"]
    assert comment["if"].startswith("${{ !cancelled() && ")


def test_every_backend_and_secrets_provider_of_the_docs_gets_its_credentials() -> None:
    page = (PROJECT / "docs/pull-requests.md").read_text()
    for where, step in steps():
        if "PULUMI_BACKEND_URL" in step.get("env", {}):
            for name in step["env"]:
                assert f"`{name}`" in page, f"{where}: {name}"
    assert {"PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "AWS_ACCESS_KEY_ID"} <= {
        name for _, step in steps() for name in step.get("env", {})
    }


def test_every_target_that_a_workflow_calls_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    called = {
        word
        for _, step in steps()
        for call in re.findall(r"\bmake ((?:--silent )?[a-z-]+)", step.get("run", ""))
        for word in [call.removeprefix("--silent ")]
    } - {"python"}  # a package, in the list of those that a fresh Debian lacks
    assert {"lint", "docs", "test", "diff", "preview", "comment", "up", "report", "drift", "stacks", "fold"} == called
    assert called <= targets


def test_every_job_has_an_end() -> None:
    assert all(body["timeout-minutes"] <= 180 for _, _, body in JOBS)


# What a branch runs on, and what a deployment runs on, have nothing in common.

OURS = [(name, job, body) for name, job, body in JOBS if "self-hosted" in body["runs-on"]]


def test_branches_and_main_run_on_different_runners() -> None:
    labels = {name: body["runs-on"] for name, _, body in OURS}
    assert labels == {
        "pull-request": ["self-hosted", "nordgate-preview"],
        "deploy": ["self-hosted", "nordgate-deploy"],
        "drift": ["self-hosted", "nordgate-deploy"],
    }
    known = yaml.safe_load((PROJECT / ".github/actionlint.yaml").read_text())["self-hosted-runner"]["labels"]
    assert known == ["nordgate-preview", "nordgate-deploy"]


def test_the_deployments_runner_is_asked_for_main_alone() -> None:
    assert WORKFLOWS["deploy"][True] == {"push": {"branches": ["main"]}}
    for job, body in WORKFLOWS["drift"]["jobs"].items():
        assert body["if"] == "github.ref == 'refs/heads/main'", f"{job}: by hand, it can be started for any branch"


def test_a_job_on_a_runner_of_ours_finds_nothing_that_another_has_left() -> None:
    for name, job, body in OURS:
        first, second = body["steps"][:2]
        assert first["run"] == 'find "$GITHUB_WORKSPACE" -mindepth 1 -delete', f"{name}/{job}"
        assert second["uses"].startswith("actions/checkout@"), f"{name}/{job}"
        assert second["with"] == {"persist-credentials": False}, f"{name}/{job}: and nothing that is kept"
        assert not any("cache" in step.get("uses", "") for step in body["steps"]), f"{name}/{job}"


def test_plugins_come_from_the_toolchain_of_the_checkout() -> None:
    for name, job, body in OURS:
        assert body["env"]["PULUMI_HOME"] == "${{ github.workspace }}/.nordgate/pulumi", f"{name}/{job}"
        assert body["env"]["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true", f"{name}/{job}"


def test_credentials_are_in_the_environment_of_one_step() -> None:
    for name, job, body in JOBS:
        assert "secrets." not in str({key: value for key, value in body.items() if key != "steps"}), f"{name}/{job}"
        assert sum("secrets." in str(step) for step in body["steps"]) <= 1, f"{name}/{job}"


def test_the_page_says_of_every_job_what_it_runs_on_and_is_given() -> None:
    page = (PROJECT / "docs/pull-requests.md").read_text().partition("## Runners, credentials,")[2]
    for name, _, body in OURS:
        environment = body["environment"].replace("${{ matrix.stack }}", "STACK")
        assert f"| yours, `{body['runs-on'][1]}` | environment `{environment}` |" in page, name


@pytest.mark.parametrize(
    "base", first(1, ["$(shell,touch HARM)", "`touch\tHARM`", '";touch\tHARM;"', "$(touch\tHARM)"])
)
def test_what_a_branch_chooses_is_never_read_as_a_command(base: str, tmp_path: Path) -> None:
    """The name of a base branch may have a semicolon, a backtick and a bracket in it."""
    harm = tmp_path / "harm"
    subprocess.run(
        ["make", "--no-print-directory", "diff"],
        cwd=PROJECT, env=os.environ | {"BASE": base.replace("HARM", str(harm))},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert not harm.exists(), base


def test_no_workflow_hands_a_base_to_make_on_its_command_line() -> None:
    for where, step in steps():
        assert "BASE=" not in step.get("run", ""), f"{where}: make reads what stands on its command line"


@pytest.mark.parametrize("name", ["oslo-preview", "oslo-drift", "oslo;id", "-oslo", "Oslo", "oslo\nx=y"])
def test_a_stack_whose_name_would_be_an_environments_or_a_command_is_not_listed(tmp_path: Path, name: str) -> None:
    (tmp_path / "stacks").mkdir()
    for stack in ("oslo", name):
        (tmp_path / f"stacks/Pulumi.{stack}.yaml").write_text("")
    listed = subprocess.run(
        [sys.executable, "-m", "nordgate.settings.stack_files"], cwd=tmp_path, 
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (listed.returncode, listed.stdout) == (1, "")
    assert str(why_not_named(name)) in listed.stderr
