"""Runs the program of a real stack file under mocks and records everything that it registers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import runpy
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pulumi
import yaml
from pulumi.runtime import mocks, rpc, set_all_config

from nordgate.hypervisor.observation import Observed
from nordgate.preflight.preflight import Report

PROJECT = Path(__file__).parents[2]
FAKE_IMAGE = "0" * 64


@dataclass(frozen=True)
class Registered:
    """One registration, as the engine would receive it."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    protect: bool
    provider: str
    delete_before_replace: bool
    replace_on_changes: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    depends_on: tuple[str, ...]


class _Answers(mocks.Mocks):
    def __init__(self, before: Mapping[str, Any]) -> None:
        self._before = before

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ == "command:local:Command":
            outputs["stdout"] = json.dumps({"verdict": "pass", "p50": 1.0, "p99": 2.0})
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        assert args.token == "pulumi:pulumi:readStackOutputs", args.token  # noqa: S105 - the name of a function
        return {"outputs": dict(self._before)}, []


class _Monitor(mocks.MockMonitor):
    def __init__(self, before: Mapping[str, Any]) -> None:
        super().__init__(_Answers(before))
        self.registered: list[Registered] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        if request.type != "pulumi:pulumi:Stack":
            self.registered.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    inputs=rpc.deserialize_properties(request.object),
                    protect=request.protect,
                    provider=request.provider,
                    delete_before_replace=request.deleteBeforeReplace,
                    replace_on_changes=tuple(request.replaceOnChanges),
                    ignore_changes=tuple(request.ignoreChanges),
                    depends_on=tuple(request.dependencies),
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Recorded:
    """What the program of a stack did when it ran in `project`."""

    stack: str
    project: Path
    resources: list[Registered]
    outputs: dict[str, Any]

    def of_type(self, token: str) -> list[Registered]:
        return [resource for resource in self.resources if resource.type == token]


def run_program(
    stack: str,
    project: Path,
    host: Mapping[str, Any] | None = None,
    report: Report | None = None,
    hardware: Mapping[str, Any] | None = None,
    edit: Sequence[tuple[str, str]] = (),
    before: Mapping[str, Any] | None = None,
    observe: Callable[..., Observed] = lambda *_: Observed("machine", {}, {}, frozenset()),
    undeclared: Mapping[str, str] | None = None,
    preview: bool = True,
) -> Recorded:
    """Run `__main__.py` for the stack in the folder `project`; its image and its hosts are pretended to be there.

    `host` and `hardware` are settings of its hypervisors and gateways to change, and `edit` what is replaced in its
    file. `report` is what the preflight finds, `observe` and
    `undeclared` what the hosts show, `before` what the stack exported last.
    """
    shutil.copytree(PROJECT / "stacks", project / "stacks", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    file = project / "stacks" / f"Pulumi.{stack}.yaml"
    for there, instead in edit:
        assert file.read_text().count(there) == 1, there
        file.write_text(file.read_text().replace(there, instead))
    document = yaml.safe_load(file.read_text())
    document["config"]["nordgate:hardware"].update(hardware or {})
    for hypervisor in document["config"]["nordgate:hypervisors"].values():
        hypervisor.update(host or {})
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in document["config"].items()}
    image = document["config"]["nordgate:image"]
    if "sha256" not in image:
        manifest = project / image["file"]
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"file": "images/fake.qcow2", "sha256": FAKE_IMAGE}))

    # Pulumi's mocks take the thread's event loop, and whoever used asyncio.run before has left none.
    asyncio.set_event_loop(asyncio.new_event_loop())
    # The stack of whatever program ran before would be the parent of this one's resources.
    pulumi.runtime.settings.ROOT.set(None)
    monitor = _Monitor(before or {})
    mocks.set_mocks(_Answers(before or {}), project="nordgate", stack=stack, preview=preview, monitor=monitor)
    set_all_config(config)

    outputs: dict[str, Any] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> pulumi.Output[None]:
        # The hosts of the stack files are not there.
        with (
            contextlib.chdir(project),
            patch("nordgate.preflight.preflight.preflight", return_value=report or {}),
            patch("nordgate.deployment.observe.observe_host", observe),
            patch("nordgate.deployment.observe.undeclared", lambda *_: undeclared or {}),
        ):
            runpy.run_path(str(PROJECT / "__main__.py"))
        root: Any = pulumi.runtime.settings.get_root_resource()
        return pulumi.Output.from_input(root.outputs).apply(outputs.update)

    run()
    return Recorded(stack, project, monitor.registered, outputs)
