"""`python3 -m toolchain [STEP]`: see `--help`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from contextlib import nullcontext

from nordgate.console import run_tool
from nordgate.errors import NordgateError
from toolchain import contents, docs, linters, packages, plugins, pulumi, python
from toolchain.paths import BIN, pulumi_environment
from toolchain.work import alone, told_plainly

_STEPS = {
    "packages": packages,
    "python": python,
    "pulumi": pulumi,
    "plugins": plugins,
    "linters": linters,
    "docs": docs,
}
_ALL = ["packages", "python", "pulumi", "plugins"]
_HELP = """
all        everything but the linters and the documentation's (the default)
packages   Debian packages, as root
python     the Python environment, .nordgate/venv
pulumi     the Pulumi CLI and its Python language host; Go modules are built if no new enough `pulumi` is on PATH
plugins    the plugins libvirt and command; PLUGINS=official downloads the published ones instead
linters    actionlint, which only `make lint` needs
docs       MkDocs, which only `make docs` needs
lock       make the requirements files again from pyproject.toml
env        print the settings for using this toolchain by hand: eval "$(python3 -m toolchain env)"
"""


def main() -> None:
    """Carry out one command line."""
    parser = argparse.ArgumentParser(
        prog="python3 -m toolchain",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", nargs="?", default="all", choices=[*_STEPS, "all", "lock", "env"], metavar="STEP")
    step = parser.parse_args().step
    # An orderly end, like Ctrl-C: what was begun is cleared away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if step == "env":
        for name, value in pulumi_environment().items():
            print(f"export {name}={shlex.quote(value)}")
    elif step == "lock":
        with alone():
            python.lock()
    else:
        with told_plainly():
            _prepare(_ALL if step == "all" else [step])


def _prepare(steps: list[str]) -> None:
    _refuse_strangers()
    if all(_STEPS[step].ready() for step in steps):
        return
    with alone() as lock:
        if "packages" in steps:
            packages.check()
        # Without certificates nothing can be downloaded yet.
        early = steps == _ALL and "ca-certificates" not in packages.missing()
        with pulumi.begun_early() if early else nullcontext() as begun:
            if "packages" in steps:
                packages.ensure(lock)
            if "python" in steps:
                python.ensure()
            if "pulumi" in steps:
                pulumi.ensure(begun)
            if "plugins" in steps:
                plugins.ensure()
            if "linters" in steps:
                linters.ensure()
            if "docs" in steps:
                docs.ensure()


def _refuse_strangers() -> None:
    if found := contents.strangers(BIN, (*pulumi.PROGRAMS, linters.PLACE.name)):
        raise NordgateError(
            f"{found[0]} is none of the toolchain's programs, and would be started in place of the machine's own: "
            "find out who put it there, delete it, and run this again."
        )


if __name__ == "__main__":
    run_tool(main)
