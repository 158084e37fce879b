"""The last resource of every gateway: its proof."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_command as command

_CHECK = ".nordgate/venv/bin/python -m smoke --plan - --brief --report .nordgate/reports"
"""Relative to the project, where Pulumi runs its plugins: no checkout's path enters the resource."""


@dataclass(frozen=True)
class SmokeCheckArgs:
    """`plan` is what `python -m smoke` is told; the others say when it must run again."""

    plan: Mapping[str, Any]
    fingerprint: str
    guest: pulumi.Input[str]
    check_number: int


class SmokeCheck(pulumi.ComponentResource):
    """Runs the smoke check when anything that it depends on changes; a failed check fails the deployment.

    A check that failed was not created, so the next `up` runs it again.
    """

    def __init__(self, name: str, args: SmokeCheckArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:smoke:SmokeCheck", name, None, opts)
        self.check = command.local.Command(
            f"{name}-check",
            create=_CHECK,
            stdin=json.dumps(args.plan, indent=2, sort_keys=True),
            triggers=[args.fingerprint, args.guest, args.check_number],
            # The result is an output; only the progress, one line per phase, belongs on the screen.
            logging=command.local.Logging.STDERR,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.result: pulumi.Output[Any] = self.check.stdout.apply(lambda text: json.loads(text) if text else None)
        self.register_outputs({"result": self.result})
