"""What `make lint` alone needs: actionlint, for the workflows, built from its Go module."""

from __future__ import annotations

from tools.bootstrap import go
from tools.bootstrap.paths import BIN
from tools.bootstrap.work import stamp, stamped

_ACTIONLINT = go.Program(
    module="actionlint",
    package="github.com/rhysd/actionlint/cmd/actionlint",
    title="actionlint",
    usually="10 s",
)
_PLACE = BIN / "actionlint"


def ready() -> bool:
    """Whether it is there, and of this version."""
    return _PLACE.exists() and stamped(_ACTIONLINT.module, _ACTIONLINT.fingerprint())


def ensure() -> None:
    """Build it when it is outdated."""
    if not ready():
        BIN.mkdir(parents=True, exist_ok=True)
        go.build(_ACTIONLINT, _PLACE)
        stamp(_ACTIONLINT.module, _ACTIONLINT.fingerprint())
