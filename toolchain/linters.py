"""What `make lint` alone needs: actionlint, for the workflows, built from its Go module."""

from __future__ import annotations

from toolchain import contents, go
from toolchain.paths import BIN

_ACTIONLINT = go.Program(
    module="actionlint",
    package="github.com/rhysd/actionlint/cmd/actionlint",
    title="actionlint",
    usually="10 s",
)
PLACE = BIN / "actionlint"


def ready() -> bool:
    """Whether it is there, and of this version."""
    return PLACE.exists() and contents.kept(_ACTIONLINT.module, _ACTIONLINT.fingerprint(), PLACE)


def ensure() -> None:
    """Build it when it is outdated."""
    if not ready():
        contents.say_why(_ACTIONLINT.module, _ACTIONLINT.fingerprint(), PLACE)
        BIN.mkdir(parents=True, exist_ok=True)
        go.build(_ACTIONLINT, PLACE)
        contents.keep(_ACTIONLINT.module, _ACTIONLINT.fingerprint(), PLACE)
