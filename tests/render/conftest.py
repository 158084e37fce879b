"""Fixtures of the tests that render whole guests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.render.sites import throwaway_certificate
from tools.nginx import unpacked


@pytest.fixture(scope="session")
def roots() -> dict[str, Path]:
    """Where each Debian suite's own nginx is unpacked."""
    found = {suite: unpacked(suite) for suite in ("bookworm", "trixie")}
    for root in found.values():
        throwaway_certificate(root)
    return found
