"""Runs the program of a real stack file under mocks and records everything that it registers."""

from __future__ import annotations

import asyncio
import json
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks, rpc, set_all_config

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


class _Answers(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ == "command:local:Command":
            outputs["stdout"] = json.dumps({"verdict": "pass", "p50": 1.0, "p99": 2.0})
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls {args.token}")


class _Monitor(mocks.MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Answers())
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
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def run_program(stack: str, project: Path) -> list[Registered]:
    """Everything that `__main__.py` registers for the stack, whose image is pretended to be there."""
    document = yaml.safe_load((PROJECT / "stacks" / f"Pulumi.{stack}.yaml").read_text())
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in document["config"].items()}
    manifest = project / document["config"]["nordgate:image"]["file"]
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"file": "images/fake.qcow2", "sha256": FAKE_IMAGE}))

    # Pulumi's mocks take the thread's event loop, and whoever used asyncio.run before has left none.
    asyncio.set_event_loop(asyncio.new_event_loop())
    monitor = _Monitor()
    mocks.set_mocks(_Answers(), project="nordgate", stack=stack, preview=True, monitor=monitor)
    set_all_config(config)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        runpy.run_path(str(PROJECT / "__main__.py"))

    run()
    return monitor.registered
