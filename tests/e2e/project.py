"""A checkout of its own with a stack and a lab of its own, and the README's commands typed in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.locks import hold

SOURCE = Path(__file__).parents[2]
_TOOLS = ("bin", "images", "mirror", "packages", "pulumi", "stamps", "venv", "venvs")
_BOUND = 900
"""Seconds for one command."""


@contextmanager
def _whole() -> Iterator[None]:
    """Nothing is being baked in this checkout, nor put into its mirror: tests of another worker may do so."""
    with ExitStack() as stack:
        for folder in (SOURCE / ".nordgate/images", SOURCE / ".nordgate/mirror"):
            if folder.is_dir():
                hold(stack.enter_context((folder / ".lock").open("w")), "tests of another worker")
        yield


@dataclass(frozen=True)
class Ended:
    """A command that ended: its exit code and all that it said, in order."""

    code: int
    output: str


class Project:
    """A checkout in `folder`: the same files as this one, the same tools, and no state.

    Its stack is called `LAB-test` and reached at `port` of 127.0.0.1. Whatever an earlier run of the tests, cut off,
    has left of that lab is deleted first: a lab belongs to one file of tests, for files run side by side.
    """

    def __init__(self, folder: Path, lab: str, port: int) -> None:
        self.folder, self.lab, self.stack, self.port = folder, lab, f"{lab}-test", port
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=SOURCE, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listing.stdout.split("\0")):
            if (SOURCE / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(SOURCE / name, folder / name)
        (folder / ".nordgate").mkdir()
        with _whole():
            for name in filter(lambda name: (SOURCE / ".nordgate" / name).exists(), _TOOLS):
                # Linked file by file where that can be done: built once, and gone with the folder.
                built, linked = str(SOURCE / ".nordgate" / name), str(folder / ".nordgate")
                copies = (["cp", "--archive", "--link", built, linked], ["cp", "--archive", built, linked])
                done = (subprocess.run(copy, check=False, capture_output=True).returncode for copy in copies)
                assert 0 in done, name
                # Its own: what is done there is no work on this checkout.
                (folder / ".nordgate" / name / ".lock").unlink(missing_ok=True)
        text = (folder / "stacks/Pulumi.oslo-test.yaml").read_text()
        text = text.replace("/lab/oslo/", f"/lab/{lab}/").replace("127.0.0.1:8443", f"127.0.0.1:{port}")
        self.stack_file.write_text(text.replace("api.oslo-test.localhost", f"api.{self.stack}.localhost"))
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
        self.lab_down()

    @property
    def stack_file(self) -> Path:
        return self.folder / "stacks" / f"Pulumi.{self.stack}.yaml"

    @property
    def image(self) -> Path:
        """The image that the stack starts from; others, older ones too, may lie beside it."""
        manifest = json.loads((self.folder / ".nordgate/images/debian-13.json").read_text())
        return self.folder / str(manifest["file"])

    def edit(self, before: str, after: str) -> None:
        """Replace one piece of the stack file, or of its region's."""
        files = {file: file.read_text() for file in (self.stack_file, self.folder / "stacks/regions/oslo.yaml")}
        count = sum(text.count(before) for text in files.values())
        assert count == 1, f"{before!r} stands {count} times in the stack and region file"
        for file, text in files.items():
            file.write_text(text.replace(before, after))

    def make(self, target: str, *variables: str, typed: str = "") -> Ended:
        """Type `make TARGET`, with the stack chosen."""
        command = ["make", "--no-print-directory", target, f"STACK={self.stack}", *variables]
        return _run(command, self.folder, _fresh_environment(), typed)

    def lab_down(self, lab: str = "") -> None:
        """Delete this checkout's lab, or that other one, with all that is in it."""
        ended = self.make("lab-down", f"STACK={lab or self.lab}-test", "FORCE=1")
        assert ended.code == 0, ended.output

    def pulumi(self, *words: str) -> Ended:
        """Type `pulumi ...`, in the environment that the Makefile sets."""
        nordgate = self.folder / ".nordgate"
        environment = _fresh_environment() | {
            "PATH": f"{nordgate}/venv/bin:{nordgate}/bin:{os.environ['PATH']}",
            "PULUMI_HOME": f"{nordgate}/pulumi",
            "PULUMI_BACKEND_URL": f"file://{nordgate}/state",
            "PULUMI_CONFIG_PASSPHRASE": "nordgate-test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        command = [f"{nordgate}/bin/pulumi", *words, "--stack", self.stack, "--non-interactive"]
        return _run(command, self.folder, environment)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json").output)
        return found

    def killed_make(self, target: str, when: str) -> str:
        """Type `make TARGET` and kill all of it, as a power cut would, once its output matches `when`."""
        log = self.folder / ".nordgate" / "killed.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["make", "--no-print-directory", target, f"STACK={self.stack}"],
                cwd=self.folder, env=_fresh_environment(),
                stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _BOUND
        while not re.search(when, log.read_text()):
            assert process.poll() is None, f"make {target} ended before it said {when!r}:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"make {target} never said {when!r}:\n{log.read_text()}"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return log.read_text()


def _fresh_environment() -> dict[str, str]:
    """As a new user's shell has it: nothing of this checkout's toolchain, and no trace of an outer make."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "MAKE", "MFLAGS"))}
    ours = str(SOURCE / ".nordgate")
    kept["PATH"] = ":".join(folder for folder in kept["PATH"].split(":") if not folder.startswith(ours))
    return kept


def _run(command: list[str], folder: Path, environment: dict[str, str], typed: str = "") -> Ended:
    result = subprocess.run(
        command, cwd=folder, env=environment, input=typed, text=True, timeout=_BOUND, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return Ended(result.returncode, result.stdout)


def leftovers(project: Project) -> list[str]:
    """Whatever of the lab is still on this machine: processes, mounts, files, listeners."""
    mark = f"/var/lib/nordgate/lab/{project.lab}"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in words or str(project.folder) in words or f"{project.stack}-gw1" in words:
            found.append(f"process {process.name}: {words[:150]}")
    found += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if mark in line]
    found += [f"file {path}" for path in Path("/var/lib/nordgate").glob(f"lab/{project.lab}*")]
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    found += [f"listener {line}" for line in listening.splitlines() if f":{project.port} " in line]
    return found
