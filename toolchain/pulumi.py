"""Step 3: the Pulumi CLI and its Python language host: the machine's own, or else built from Go modules."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from toolchain import contents, go
from toolchain.paths import BIN, GO_MODULES, pulumi_environment, search_path
from toolchain.work import read_stamp, run, stamp, workshop

_NEEDED = (3, 272, 0)
_CLI = go.Program(
    module="pulumi-cli",
    package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    title="the Pulumi CLI",
    usually="5 min; the official installer, see README, is faster",
    variables=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.274.1",),
)
_HOST = go.Program(
    module="language-host",
    package="github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
    title="Pulumi's Python language host",
    usually="30 s",
    variables=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.75.0",),
)
_PLACES = {_CLI: BIN / "pulumi", _HOST: BIN / "pulumi-language-python"}
# The language host starts the program through it. Of the CLI's release, because it must know the SDK's newest settings.
_EXECUTOR = BIN / "pulumi-language-python-exec"
PROGRAMS = tuple(place.name for place in (*_PLACES.values(), _EXECUTOR))
"""All that lies in `.nordgate/bin` of it."""
_SEEN = "pulumi-on-path"


def ready() -> bool:
    """Whether a `pulumi` that will do is found first."""
    if _on_path():
        return not any(place.exists() for place in _PLACES.values())
    return _whole_executor() and not any(_outdated(program) for program in _PLACES)


def command() -> str:
    """The `pulumi` of the toolchain."""
    return shutil.which("pulumi", path=search_path()) or "pulumi"


@contextlib.contextmanager
def begun_early() -> Iterator[go.Build | None]:
    """Let the longest build go on in the background while other steps download, if this machine's Go can do it."""
    own = go.find()
    if own is None or _on_path() or not _outdated(_CLI):
        yield None
        return
    go.needs_caches()
    with workshop() as folder, go.Build(_CLI, own, folder) as build:
        yield build


def ensure(begun: go.Build | None = None) -> None:
    """Build what is outdated; `begun` is the CLI's build, if it is already under way."""
    if _on_path():
        # Ours would be found first, and they are older.
        for place in (*_PLACES.values(), _EXECUTOR):
            place.unlink(missing_ok=True)
        return
    BIN.mkdir(parents=True, exist_ok=True)
    for program, place in _PLACES.items():
        if _outdated(program):
            contents.say_why(program.module, program.fingerprint(), place)
            go.build(program, place, begun if program is _CLI else None)
            contents.keep(program.module, program.fingerprint(), place)
    if not _whole_executor():
        _install_executor()
        contents.keep(_EXECUTOR.name, _CLI.fingerprint(), _EXECUTOR)


def _outdated(program: go.Program) -> bool:
    place = _PLACES[program]
    return not (place.exists() and contents.kept(program.module, program.fingerprint(), place))


def _whole_executor() -> bool:
    return _EXECUTOR.exists() and contents.kept(_EXECUTOR.name, _CLI.fingerprint(), _EXECUTOR)


def _install_executor() -> None:
    """It is a script of the SDK's Go module, which the CLI's go.sum vouches for."""
    sdk = "github.com/pulumi/pulumi/sdk/v3"
    download = ["mod", "download", "-json", sdk]
    told = run(f"Fetching {_EXECUTOR.name}", [go.ensure(), *download], env=go.SETTINGS, cwd=GO_MODULES / _CLI.module)
    with workshop() as folder:
        made = folder / _EXECUTOR.name
        shutil.copyfile(Path(json.loads(told)["Dir"]) / "python" / "cmd" / _EXECUTOR.name, made)
        made.chmod(0o755)
        made.replace(_EXECUTOR)


def _on_path() -> bool:
    """Whether the `pulumi` that the user's own PATH finds will do. Asking it takes long, so the answer is kept."""
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(":") if Path(folder).resolve() != BIN]
    found = shutil.which("pulumi", path=":".join(folders))
    if not found:
        return False
    real = Path(found).resolve()
    now = real.stat()
    seen = f"{real} {now.st_ino} {now.st_size} {now.st_mtime_ns} {now.st_ctime_ns}"
    known, _, answer = read_stamp(_SEEN).rpartition(" ")
    if known != seen:
        answer = "usable" if _usable(real) else "old"
        stamp(_SEEN, f"{seen} {answer}")
    return answer == "usable"


def _usable(pulumi: Path) -> bool:
    told = subprocess.run(
        [pulumi, "version"], env=os.environ | pulumi_environment(), capture_output=True, text=True, timeout=60
    )
    version = re.match(r"v?(\d+)\.(\d+)\.(\d+)", told.stdout)
    beside = shutil.which("pulumi-language-python", path=str(pulumi.parent))
    return bool(version and beside and tuple(map(int, version.groups())) >= _NEEDED)
