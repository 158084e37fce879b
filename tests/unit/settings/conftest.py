"""What the tests of stack files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.settings.known import copy_known


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the known stack files, to try things on."""
    copy_known(tmp_path)
    return tmp_path
