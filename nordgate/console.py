"""What long work shows on the screen: one line per phase, with its time.

Standard library only: it runs before the virtual environment exists.
"""

from __future__ import annotations

import errno
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nordgate.errors import NordgateError

_WIDTH = 58
_OF_THE_DISK = {
    errno.EACCES: "permission denied; run this as its owner, or with sudo.",
    errno.EPERM: "permission denied; run this as its owner, or with sudo.",
    errno.EISDIR: "a folder stands where a file belongs; delete it, and run this again.",
    errno.ENOTDIR: "a file stands where a folder belongs; delete it, and run this again.",
    errno.EEXIST: "stands where a folder belongs; delete it, and run this again.",
    errno.EROFS: "the file system is read-only.",
    errno.ENOSPC: "the disk is full; free some space, and run this again.",
    errno.EDQUOT: "the disk quota is used up; free some space, and run this again.",
    errno.EIO: "the disk cannot read or write it; see the kernel's messages (dmesg).",
}


def duration(seconds: float) -> str:
    """`75.4` as `1 min 15 s`, `3.21` as `3.2 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def phase(title: str, usually: str = "") -> Iterator[None]:
    """Show `title` while the body runs and its time when it ends.

    On a terminal the line carries a live counter; elsewhere a phase with a usual time is announced, so that
    a log shows what is being waited for. `usually` is that time, as text (`"4 min"`).
    """
    started = time.monotonic()
    hint = f" (usually {usually})" if usually else ""
    live = sys.stderr.isatty()
    done = threading.Event()

    def count() -> None:
        while not done.wait(0.5):
            sys.stderr.write(f"\r\033[K  {title} … {duration(time.monotonic() - started)}{hint}")
            sys.stderr.flush()

    ticker = threading.Thread(target=count, daemon=True)
    if live:
        ticker.start()
    elif usually:
        print(f"  {title} …{hint}", file=sys.stderr, flush=True)
    mark = "failed after"
    try:
        yield
        mark = ""
    finally:
        done.set()
        if live:
            ticker.join(5)
            sys.stderr.write("\r\033[K")
        took = f"{mark} {duration(time.monotonic() - started)}".strip()
        print(f"  {title} {'.' * max(3, _WIDTH - len(title))} {took}", file=sys.stderr, flush=True)


def run_tool(main: Callable[[], int | None]) -> None:
    """Run a tool's `main` and leave with its exit code.

    A `NordgateError`, and what is wrong with a file or the disk, becomes one line on the error output.
    """
    try:
        sys.exit(main() or 0)
    except NordgateError as problem:
        print(f"nordgate: {problem}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in _OF_THE_DISK or not error.filename:
            raise
        # Of a move, what stands in its way.
        print(f"nordgate: {error.filename2 or error.filename}: {_OF_THE_DISK[error.errno]}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nnordgate: stopped; the next run goes on from here.", file=sys.stderr)
        sys.exit(130)
