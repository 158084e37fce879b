"""Step 2: the Python environment, from the pinned and hashed requirements files; and how those are made."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path

from tools.bootstrap import contents
from tools.bootstrap.paths import CHECKOUT, HOME, VENV
from tools.bootstrap.work import fingerprint, needs_space, run, workshop
from tools.console import Problem, phase

_REQUIREMENTS = (CHECKOUT / "requirements.txt", CHECKOUT / "requirements-dev.txt")
_ENVIRONMENTS = HOME / "venvs"
_MIB = 600
_PYTHON = VENV / "bin" / "python"
_STAMP = "python"
INSTALL = ("-m", "pip", "install", "-q", "--require-hashes", "--only-binary=:all:")
"""Hashes alone do not do: what a source distribution is built with is in no list, and runs."""
_LOCK_WITH = "3.11"
"""The oldest Python served: what only the oldest needs is then in the lists, and the others need no more."""


def ready() -> bool:
    """Whether the environment is there and is what the requirements files say."""
    place = _place()
    return (
        VENV.is_symlink()
        and VENV.resolve() == place
        and os.access(_PYTHON, os.X_OK)
        and contents.kept(_STAMP, place.name, place)
    )


def ensure() -> None:
    """Make the environment anew if the requirements have changed."""
    if ready():
        return
    contents.say_why(_STAMP, _place().name, _place())
    needs_space(HOME, _MIB, "the Python environment")
    with phase("Make the Python environment", usually="1 min"):
        place = _place()
        # Scripts carry the path they were made for: it is made where it will stand, and only the link is swapped.
        shutil.rmtree(place, ignore_errors=True)
        try:
            run("python3 -m venv", [sys._base_executable, "-m", "venv", place])  # type: ignore[attr-defined]
            wanted = [word for file in _REQUIREMENTS for word in ("--requirement", file)]
            run("pip install", [place / "bin" / "python", *INSTALL, *wanted])
            contents.keep(_STAMP, place.name, place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        with workshop() as folder:
            (folder / "venv").symlink_to(place.relative_to(HOME))
            if VENV.is_dir() and not VENV.is_symlink():
                VENV.rename(folder / "old")
            (folder / "venv").replace(VENV)
        for other in _ENVIRONMENTS.iterdir():
            if other != place:
                shutil.rmtree(other, ignore_errors=True)


def lock() -> None:
    """Make both requirements files again from pyproject.toml, with the newest versions that it allows.

    No address of a download gets in: hashes hold wherever a package comes from.
    """
    version = run(
        "Asking the environment", [_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    ).strip()
    if version != _LOCK_WITH:
        raise Problem(f"the requirements are locked with Python {_LOCK_WITH}, and .nordgate/venv has {version}.")
    runtime, dev = _REQUIREMENTS
    with phase("Lock the requirements", usually="2 min"), workshop() as folder:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
        _compile(project["project"]["dependencies"], folder / "runtime", runtime.name)
        _compile(["-c runtime.txt", *project["dependency-groups"]["dev"]], folder / "dev", dev.name)
        for made, place in ((folder / "runtime.txt", runtime), (folder / "dev.txt", dev)):
            place.write_text(made.read_text())


def _compile(wanted: list[str], name: Path, shown: str) -> None:
    """Make `name`.txt from what is wanted."""
    source = name.with_suffix(".in")
    source.write_text("\n".join(wanted) + "\n")
    run(
        f"Locking {shown}",
        [
            _PYTHON, "-m", "piptools", "compile", "--quiet", "--no-config", "--generate-hashes",
            "--strip-extras", "--allow-unsafe", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
            "--no-emit-trusted-host", "--no-emit-options", "--upgrade",
            "--output-file", f"{name.name}.txt", source.name,
        ],
        # Files of this machine must not be locked instead of the published ones.
        env={"CUSTOM_COMPILE_COMMAND": "python3 -m tools.bootstrap lock", "PIP_FIND_LINKS": ""},
        cwd=name.parent,
    )  # fmt: skip


def _place() -> Path:
    return _ENVIRONMENTS / fingerprint(*_REQUIREMENTS)[:12]
