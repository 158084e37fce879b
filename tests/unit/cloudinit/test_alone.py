"""The package by itself, as another project would use it: its README's example, with nothing of nordgate beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "cloudinit"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that holds a copy of the package and nothing else."""
    shutil.copytree(PACKAGE, tmp_path / "cloudinit", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(program: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_the_readme_runs(elsewhere: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    said = run(example, elsewhere)
    assert sorted(path.name for path in (elsewhere / "seed").iterdir()) == ["meta-data", "network-config", "user-data"]
    assert (elsewhere / "seed/user-data").read_text().startswith("#cloud-config\n")
    assert "sysctl net.core.somaxconn >= 65535\n" in said
    assert 'routes.0.upstream\n  "apii" is not one of: api' in said


def test_it_loads_no_pulumi_and_nothing_else_of_nordgate(elsewhere: Path) -> None:
    loaded = run("import sys, cloudinit; print(*{name.partition('.')[0] for name in sys.modules})", elsewhere).split()
    siblings = {path.name for path in PACKAGE.parent.iterdir() if (path / "__init__.py").exists()} - {"cloudinit"}
    assert not set(loaded) & {"pulumi", *siblings}
