"""What is refused or warned of before anything is changed: the same by a preview, an update and `make diff`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pulumi
import pytest
import yaml

from nordgate.cli.review.changes import stack_change
from nordgate.cli.review.rendered import rendered
from nordgate.design.gateway_design import design, shared_name
from nordgate.hypervisor.observation import Observed
from nordgate.settings.loader import load_file
from nordgate.settings.stack_settings import Settings
from tests.program.recording import PROJECT, run_program
from tests.tables import first

CASES = yaml.safe_load(Path(__file__).with_name("transitions.yaml").read_text())


@dataclass
class Said:
    """What the program said before it was done."""

    refused: list[str]
    warned: list[str]


@cache
def deployed(stack: str) -> Mapping[str, Any]:
    """What the stack exports when it is deployed as it is."""
    with TemporaryDirectory() as folder:
        return run_program(stack, Path(folder)).outputs


def hosts(settings: Settings, stack: str) -> dict[str, Observed]:
    """The hosts of the deployed stack, by URI."""
    found = {}
    for name, host in settings.hypervisors.items():
        there = [design(settings, stack, one, "0" * 64) for one in settings.gateways]
        data = {(one.data_pool, one.data_name): one.data_bytes for one in there if one.hypervisor == name}
        found[name] = Observed(
            "machine", {}, {}, frozenset(name for _, name in data), data, {shared_name(stack): host.pool_path}
        )
    return found


def program(case: Mapping[str, Any], folder: Path, *, preview: bool = True, exported: Mapping[str, Any]) -> Said:
    stack = case["stack"]
    seen = hosts(load_file(PROJECT, stack), stack)
    said = Said([], [])

    def observe(_: str, domains: list[str], *__: object) -> Observed:
        return next((one for one in seen.values() if any(f"{domains[0]}-" in name for name in one.volumes)), empty)

    empty = next(iter(seen.values()))
    with (
        patch("pulumi.log.warn", lambda text, *_, **__: said.warned.append(text.removesuffix("."))),
        patch("nordgate.deployment.image_download.verify"),
    ):
        try:
            run_program(stack, folder, edit=edit_of(case), before=exported, observe=observe, preview=preview)
        except pulumi.RunError as error:
            *said.refused, last = str(error).splitlines()
            assert last == "Nothing was changed: see docs/operations.md, data volumes."
    said.refused = [sentence.removesuffix(".") for sentence in said.refused]
    return said


def edit_of(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    mac = design(load_file(PROJECT, case["stack"]), case["stack"], "gw1", "0" * 64).machine.mac
    return [
        (before, after.replace("GW1", f'"{mac}"'))
        for before, after in zip(case["edit"][::2], case["edit"][1::2], strict=True)
    ]


@pytest.mark.parametrize("name", CASES)
def test_what_make_diff_refuses_or_warns_of_the_program_does_too(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    stack = case["stack"]
    preview = program(case, tmp_path / "preview", exported=deployed(stack))
    update = program(case, tmp_path / "update", preview=False, exported=deployed(stack))
    before, after = (rendered(load_file(folder, stack), stack) for folder in (PROJECT, tmp_path / "preview"))
    diff = stack_change(stack, before, after)
    assert diff is not None
    assert preview == update
    assert preview.refused == list(diff.refused)
    assert preview.warned == ([] if diff.refused else list(diff.warned))
    wanted = [case[key] for key in ("refused", "also") if key in case]
    assert len(diff.refused) == len(wanted)
    assert len(diff.warned) == ("warned" in case)
    for sentence, begins in zip(
        (*diff.refused, *diff.warned), [*wanted, *filter(None, [case.get("warned")])], strict=True
    ):
        assert sentence.startswith(begins)


@pytest.mark.parametrize(
    "name", first(1, ["a rename", "swapped addresses", "a smaller data volume", "another host", "another pool"])
)
def test_a_stack_of_an_older_program_is_kept_from_the_same(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    outputs = dict(deployed(case["stack"]))
    outputs["history"] = {
        gateway: {key: value for key, value in last.items() if key != "standing"}
        for gateway, last in outputs["history"].items()
    }
    said = program(case, tmp_path / "run", exported=outputs)
    assert said.refused[0].startswith(case["refused"])


def test_a_rename_after_a_first_deployment_that_failed_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"gw9 stands on host1, from a deployment that failed.*may be that of gw1"
    ):
        run_program("oslo-test", tmp_path, undeclared={"gw9": "host1"})
