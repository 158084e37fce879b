"""A process that is given text and answers in lines, with a bound on every wait for it."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO

_CHUNK = 1 << 16
_KEPT = 1 << 16
"""Bytes of its error output that are kept: the last ones."""


class Silent(Exception):
    """It said nothing for as long as it was given."""


class Conversation:
    """Starts the process. What it is given is written while it is read, and its error output is always read along:
    nothing that it does or leaves undone can block whoever talks with it.

    Its standard input stays open until the `with` block ends, and the process with it.
    """

    def __init__(self, command: Sequence[str], given: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        self._given = given.encode()
        self._errors = b""
        self._selector = selectors.DefaultSelector()
        for stream, event in (
            (self._process.stdin, selectors.EVENT_WRITE),
            (self._process.stdout, selectors.EVENT_READ),
            (self._process.stderr, selectors.EVENT_READ),
        ):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, event)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def lines(self, within: float) -> Iterator[str]:
        """What it says, until it ends. Raises Silent when no line came for `within` seconds."""
        unfinished = b""
        while True:
            part = self._part(within)
            if not part:
                break
            *whole, unfinished = (unfinished + part).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
        if unfinished:
            yield unfinished.decode(errors="replace")

    def end(self, within: float) -> tuple[int, str]:
        """Its exit code and the end of its error output, once it has ended. Raises Silent when it has not by then."""
        deadline = time.monotonic() + within
        while (code := self._process.poll()) is None:
            if time.monotonic() >= deadline:
                raise Silent
            self._serve_all(0.05)
        self._serve_all(0)
        return code, self._errors.decode(errors="replace")

    def _part(self, within: float) -> bytes:
        """The next of its standard output; empty at its end."""
        deadline = time.monotonic() + within
        while True:
            for key, _ in self._selector.select(max(0.0, deadline - time.monotonic())):
                part = self._serve(key.fileobj)  # type: ignore[arg-type]
                if key.fileobj is self._process.stdout:
                    return part
            if time.monotonic() >= deadline:
                raise Silent

    def _serve_all(self, within: float) -> None:
        for key, _ in self._selector.select(within):
            self._serve(key.fileobj)  # type: ignore[arg-type]

    def _serve(self, stream: IO[bytes]) -> bytes:
        """Do what the stream is ready for; what was read from it."""
        if stream is self._process.stdin:
            self._feed(stream)
            return b""
        part = os.read(stream.fileno(), _CHUNK)
        if not part:
            self._selector.unregister(stream)
        if stream is self._process.stderr:
            self._errors = (self._errors + part)[-_KEPT:]
        return part

    def _feed(self, stream: IO[bytes]) -> None:
        try:
            self._given = self._given[os.write(stream.fileno(), self._given[:_CHUNK]) :]
        except BrokenPipeError:  # what it said before it ended tells more
            self._given = b""
        if not self._given:
            self._selector.unregister(stream)
