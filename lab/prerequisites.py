"""`python -m lab.prerequisites STACK`: see that what a test stack's guests are made from lies ready in this checkout.

That is the image, where it is one that is baked here, and, for guests that install their packages, a mirror of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from cloudinit import PLATFORMS
from image import bake, recipe
from lab import package_mirror
from nordgate.console import run_tool
from nordgate.design.gateway_design import designs
from nordgate.errors import NordgateError
from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError

_CHECKOUT = Path(__file__).parents[1]


def main() -> None:
    """Parse the command line and supply the stack."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.prerequisites", description="Make ready what a test stack's guests start from."
    )
    parser.add_argument("stack")
    try:
        supply(parser.parse_args().stack)
    except SettingsError as error:
        raise NordgateError(str(error)) from None


def supply(stack: str) -> None:
    """Bake the stack's image and fill the mirror of what its guests install."""
    settings = load_file(_CHECKOUT, stack)
    name = next((name for name in recipe.names() if settings.image.file == str(bake.record_of(name))), None)
    if name is None:
        return
    bake.ensure(name)
    if settings.image.packages.mode == "install":
        wanted = {
            package
            for design in designs(settings, stack, _CHECKOUT)
            for package in yaml.safe_load(design.seed.user_data)["packages"]
        }
        suite = PLATFORMS[settings.image.platform].suite
        package_mirror.fill(name, suite, _CHECKOUT / bake.status_of(name), sorted(wanted))


if __name__ == "__main__":
    run_tool(main)
