"""Step 2: the Python environments, from pinned and hashed requirements files; and how those are made."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from nordgate.console import phase
from nordgate.errors import NordgateError
from toolchain import contents
from toolchain.paths import CHECKOUT, HOME, VENV
from toolchain.work import fingerprint, needs_space, run, workshop

RUNTIME, DEV, DOCS = (CHECKOUT / f"requirements{kind}.txt" for kind in ("", "-dev", "-docs"))
_PYTHON = VENV / "bin" / "python"
INSTALL = ("-m", "pip", "install", "-q", "--require-hashes", "--only-binary=:all:")
"""Hashes alone do not do: what a source distribution is built with is in no list, and runs."""
_LOCK_WITH = "3.11"
"""The oldest Python served: what only the oldest needs is then in the lists, and the others need no more."""


@dataclass(frozen=True)
class Environment:
    """A Python environment in .nordgate, from requirements files that are pinned and hashed."""

    link: Path
    """Where it is found. What it leads to lies beside it, in a folder with an `s` at the end."""
    requirements: tuple[Path, ...]
    stamp: str
    title: str
    usually: str
    mib: int

    def ready(self) -> bool:
        """Whether the environment is there and is what the requirements files say."""
        place = self._place()
        return (
            self.link.is_symlink()
            and self.link.resolve() == place
            and os.access(place / "bin" / "python", os.X_OK)
            and contents.kept(self.stamp, place.name, place)
        )

    def ensure(self) -> None:
        """Make the environment anew if the requirements have changed."""
        if self.ready():
            return
        place = self._place()
        contents.say_why(self.stamp, place.name, place)
        needs_space(HOME, self.mib, self.title)
        with phase(f"Make {self.title}", self.usually):
            # Scripts carry the path they were made for: it is made where it will stand, and only the link is swapped.
            shutil.rmtree(place, ignore_errors=True)
            try:
                run("python3 -m venv", [sys._base_executable, "-m", "venv", place])  # type: ignore[attr-defined]
                wanted = [word for file in self.requirements for word in ("--requirement", file)]
                run("pip install", [place / "bin" / "python", *INSTALL, *wanted])
                contents.keep(self.stamp, place.name, place)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
            with workshop() as folder:
                (folder / "new").symlink_to(place.relative_to(HOME))
                if self.link.is_dir() and not self.link.is_symlink():
                    self.link.rename(folder / "old")
                (folder / "new").replace(self.link)
            for other in place.parent.iterdir():
                if other != place:
                    shutil.rmtree(other, ignore_errors=True)

    def _place(self) -> Path:
        return self.link.with_name(f"{self.link.name}s") / fingerprint(*self.requirements)[:12]


MAIN = Environment(VENV, (RUNTIME, DEV), stamp="python", title="the Python environment", usually="1 min", mib=600)
DOCUMENTATION = Environment(
    HOME / "docs-venv", (DOCS,), stamp="docs", title="the documentation's environment", usually="30 s", mib=300
)
ready, ensure = MAIN.ready, MAIN.ensure


def lock() -> None:
    """Make the requirements files again from pyproject.toml, with the newest versions that it allows.

    No address of a download gets in: hashes hold wherever a package comes from.
    """
    version = run(
        "Asking the environment", [_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    ).strip()
    if version != _LOCK_WITH:
        raise NordgateError(f"the requirements are locked with Python {_LOCK_WITH}, and .nordgate/venv has {version}.")
    with phase("Lock the requirements", usually="2 min"), workshop() as folder:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
        groups = project["dependency-groups"]
        _compile(project["project"]["dependencies"], folder / "runtime", RUNTIME.name)
        _compile(["-c runtime.txt", *groups["dev"]], folder / "dev", DEV.name)
        _compile(groups["docs"], folder / "docs", DOCS.name)
        for name, place in (("runtime", RUNTIME), ("dev", DEV), ("docs", DOCS)):
            place.write_text((folder / f"{name}.txt").read_text())


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
        env={"CUSTOM_COMPILE_COMMAND": "python3 -m toolchain lock", "PIP_FIND_LINKS": ""},
        cwd=name.parent,
    )  # fmt: skip
