"""`make smoke`: the smoke check of a stack's gateways, outside of a deployment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from nordgate.design.gateway_design import designs
from nordgate.settings.stack_settings import Settings

REPORTS = ".nordgate/reports"


def smoke(stack: str, settings: Settings) -> int:
    """Check the gateways one after the other; the worst exit code of `python -m smoke`."""
    worst = 0
    for design in designs(settings, stack, Path.cwd()):
        check = subprocess.run(
            [sys.executable, "-m", "smoke", "--plan", "-", "--report", REPORTS],
            input=json.dumps(design.smoke_plan), text=True, check=False, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        worst = max(worst, check.returncode)
    return worst
