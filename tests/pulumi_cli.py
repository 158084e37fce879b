"""The real Pulumi, started on a project in a folder, with its state in another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from toolchain.paths import pulumi_environment
from toolchain.pulumi import command


def pulumi(
    folder: Path, *words: str, state: Path | None = None, text: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; `state` is `folder`/state unless it is named. `text` is what it reads from its input."""
    settings = {
        "PULUMI_BACKEND_URL": f"file://{state or folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "nordgate-test",
    }
    return subprocess.run(
        [command(), *words, "--non-interactive", "--color=never"],
        cwd=folder, env=os.environ | pulumi_environment() | settings | variables, input=text,
        capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
