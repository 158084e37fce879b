"""`python3 -m image [bake] [--recipe NAME] [--refresh]`: see that the image is there, and say where."""

from __future__ import annotations

import argparse
import signal
from types import FrameType

from image.bake import ensure
from image.recipe import DEFAULT, names
from nordgate.console import run_tool


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Parse the command line and bake."""
    parser = argparse.ArgumentParser(prog="python3 -m image", description="Bake a disk image for guests.")
    parser.add_argument("command", nargs="?", choices=["bake"], default="bake", help="bake it if it is not there")
    parser.add_argument("--refresh", action="store_true", help="bake again, to take in security updates")
    parser.add_argument("--recipe", default=DEFAULT, help=f"which one: {', '.join(names())}")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    print(ensure(options.recipe, options.refresh).file)


run_tool(main)
