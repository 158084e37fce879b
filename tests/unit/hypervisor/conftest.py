"""A host behind a fake virsh."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Scenario = Callable[..., None]


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Sets what virsh says from now on."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program, fake = folder / "virsh", Path(__file__).with_name("fake_virsh.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{fake}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("FAKE_VIRSH", str(tmp_path / "scenario.json"))

    def say(**values: Any) -> None:
        (tmp_path / "scenario.json").write_text(json.dumps(values))

    return say
