"""`python3 -m tools.image [bake] [--refresh]`: see that the image is there, and say where."""

from __future__ import annotations

import argparse
import signal
from types import FrameType

from tools.console import run_tool
from tools.image.bake import ensure


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Parse the command line and bake."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.image", description="Bake the guests' disk image.")
    parser.add_argument("command", nargs="?", choices=["bake"], default="bake", help="bake it if it is not there")
    parser.add_argument("--refresh", action="store_true", help="bake again, to take in security updates")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    print(ensure(options.refresh).file)


run_tool(main)
