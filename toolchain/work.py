"""How the steps work: one run at a time, tools that say one sentence when they fail, products that are all or nothing.

Every product has a stamp, the fingerprint of what it was made from. The stamp is written last, so a product that
was only begun is never taken for a finished one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from nordgate.console import duration
from nordgate.errors import NordgateError
from toolchain.locks import hold
from toolchain.paths import HOME
from toolchain.tool_messages import ENGLISH, Said

_STAMPS = HOME / "stamps"
_LOGS = HOME / "log"
_BEGUN = HOME / "begun"
_BOUND = 3600.0
"""Seconds for any tool: a build takes ten minutes on a slow machine, and downloads end by themselves or not at all."""
_TO_END = 10.0
_FULL = "the disk is full; free some space and run it again."


@contextlib.contextmanager
def alone() -> Iterator[int]:
    """Wait for other runs in this checkout to end. Yields the lock, for children that must end before it is free."""
    with told_plainly():
        HOME.mkdir(exist_ok=True)
        with (HOME / "bootstrap.lock").open("a") as lock:
            hold(lock, "the other run in this checkout")
            # What a run that was killed had begun.
            shutil.rmtree(_BEGUN, ignore_errors=True)
            yield lock.fileno()


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """What is wrong with the disk is the user's to mend, wherever it is met."""
    try:
        yield
    except PermissionError as error:
        raise NordgateError(f"{error.filename} belongs to another user; run it as that user, or with sudo.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NordgateError(_FULL) from error
        raise


def needs_space(folder: Path, mib: int, what: str) -> None:
    """Refuse work that would only fill the disk. `folder` need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free >> 20
    if free < mib:
        raise NordgateError(
            f"{what} needs {mib} MiB of free disk space in {folder}, there are {free}; free some first."
        )


class Job:
    """A tool at work in the background, silent unless it fails. Leaving the `with` block early ends it.

    With `lock`, it is left to finish instead, even when this process is killed, and others wait for it: for work
    that does more harm when it is cut off.
    """

    def __init__(
        self,
        title: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        lock: int | None = None,
    ):
        self._title = title
        self._lasting = lock is not None
        self._given_up = False
        # In memory: what a tool says of a full disk must not get lost on that disk.
        self._output = os.fdopen(os.memfd_create("output"), "w+", errors="replace")
        words = [str(word) for word in command]
        if not self._lasting and shutil.which("setpriv"):
            words = ["setpriv", "--pdeathsig", "TERM", *words]
        try:
            self._process = subprocess.Popen(
                words,
                env={**os.environ, **ENGLISH, **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=() if lock is None else (lock,),
                process_group=0,
            )
        except FileNotFoundError as error:
            raise NordgateError(f"{title} failed: {words[0]} is not installed.") from error

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._lasting:
            self._end()
        elif not self._given_up:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_BOUND)
        self._output.close()

    def _end(self) -> None:
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                os.killpg(self._process.pid, kind)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_TO_END)

    def finish(self) -> str:
        """Wait for the tool and return what it printed; a failure is a `NordgateError`."""
        try:
            code = self._process.wait(_BOUND)
        except subprocess.TimeoutExpired:
            self._given_up = True
            goes_on = "; it goes on, and the next run waits for it" if self._lasting else ""
            raise NordgateError(
                f"{self._title} did not end within {duration(_BOUND)}: is the network there, but silent?{goes_on}"
            ) from None
        self._output.seek(0)
        output = self._output.read()
        if code:
            raise failure(self._title, output)
        return output


def run(
    title: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    lock: int | None = None,
) -> str:
    """Run a tool to its end. `title` says in the error message what could not be done."""
    with Job(title, command, env=env, cwd=cwd, lock=lock) as job:
        return job.finish()


def failure(title: str, output: str) -> NordgateError:
    """One sentence for a tool that failed; all that it said is kept in a file beside."""
    if Said.DISK_FULL.within(output):
        return NordgateError(_FULL)
    log = _LOGS / f"{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')}.txt"
    _LOGS.mkdir(parents=True, exist_ok=True)
    log.write_text(output)
    said = [line.strip() for line in output.splitlines() if line.strip()] or ["it said nothing"]
    # apt and pip mark the line that matters; other tools end with it.
    why = next((line for line in said if re.match(r"(E|ERROR|error):", line)), said[-1])
    if Said.NO_NETWORK.within(output):
        why = "it cannot reach what it downloads from; is there a network?"
    return NordgateError(f"{title} failed: {why} (all of it: {log})")


def fingerprint(*parts: str | Path) -> str:
    """A name for what something is made from: texts, files, and the files of folders."""
    digest = hashlib.sha256()
    for part in parts:
        files = [part] if isinstance(part, str) or part.is_file() else sorted(p for p in part.rglob("*") if p.is_file())
        for file in files:
            content = file.encode() if isinstance(file, str) else file.read_bytes()
            digest.update(b"%d:%s" % (len(content), content))
    return digest.hexdigest()[:32]


def stamped(name: str, mark: str) -> bool:
    """Whether the product `name` was finished, and from just this."""
    return read_stamp(name) == mark


def read_stamp(name: str) -> str:
    """The mark that the product `name` was finished with; empty if it never was."""
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
        return (_STAMPS / name).read_text()
    return ""


def stamp(name: str, mark: str) -> None:
    """Record that the product `name` is finished."""
    _STAMPS.mkdir(parents=True, exist_ok=True)
    begun = _STAMPS / f".{name}.{os.getpid()}"
    begun.write_text(mark)
    begun.replace(_STAMPS / name)


@contextlib.contextmanager
def workshop() -> Iterator[Path]:
    """A folder to make things in, on the disk where they will stand, so that moving them there is one step."""
    _BEGUN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BEGUN, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
