"""What the check shows while it works: one line per phase on the error output, a live counter on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WIDTH = 50
_QUIET_FOR = 20
"""Seconds after which a phase says that it still goes on where there is no terminal."""


class Progress:
    """Prints phases; a quiet one prints nothing."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.live = not quiet and sys.stderr.isatty()

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show `title` while the body runs, and its time when it ends; the body may say how far it is."""
        started = time.monotonic()
        done = threading.Event()
        how_far = [""]
        ticker = threading.Thread(target=self._count, args=(title, started, done, how_far), daemon=True)
        if not self.quiet:
            ticker.start()
        mark = "failed after "
        try:
            yield lambda text: how_far.__setitem__(0, f", {text}")
            mark = ""
        except KeyboardInterrupt:
            mark = "stopped after "
            raise
        finally:
            done.set()
            if not self.quiet:
                ticker.join(5)
            if self.live:
                sys.stderr.write("\r\033[K")
            self.line(f"{title} {'.' * max(3, _WIDTH - len(title))} {mark}{time.monotonic() - started:.1f} s")

    def line(self, text: str) -> None:
        """Show one line."""
        if not self.quiet:
            print(f"  {text}", file=sys.stderr, flush=True)

    def _count(self, title: str, started: float, done: threading.Event, how_far: list[str]) -> None:
        while not done.wait(0.2 if self.live else _QUIET_FOR):
            so_far = f"{title} … {time.monotonic() - started:.0f} s{how_far[0]}"
            if self.live:
                sys.stderr.write(f"\r\033[K  {so_far}")
                sys.stderr.flush()
            else:
                self.line(so_far)
