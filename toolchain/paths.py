"""Where the toolchain lives, and what finds it there."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
HOME = CHECKOUT / ".nordgate"
BIN = HOME / "bin"
VENV = HOME / "venv"
PACKAGES = HOME / "packages"
"""Debian packages that are only unpacked, because installing them would touch a service of the machine."""
PULUMI_HOME = HOME / "pulumi"
GO_MODULES = CHECKOUT / "toolchain" / "go_modules"


def search_path() -> str:
    """The PATH that finds the toolchain first; sudo and plain users may lack the `sbin` folders."""
    # The language host runs the first `python3` it finds, whatever `virtualenv` says in Pulumi.yaml.
    ours = f"{VENV / 'bin'}:{BIN}"
    return f"{ours}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def official_plugins() -> bool:
    """Whether the user asked for the published plugins instead of those built here."""
    return os.environ.get("PLUGINS") == "official"


def pulumi_environment() -> dict[str, str]:
    """What `pulumi` of this toolchain must be started with; the user's own login and plugins stay untouched."""
    settings = {
        "PATH": search_path(),
        "PULUMI_HOME": str(PULUMI_HOME),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if not official_plugins():
        # A plugin that is missing is then an error at once, not a download.
        settings["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return settings
