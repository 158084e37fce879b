"""`python -m operations VERB STACK [GATEWAY]`: what the Makefile's targets call. See `--help`."""

from __future__ import annotations

import argparse
from pathlib import Path

from hosts.problems import Problem as HostProblem
from operations.access import console, ssh
from operations.preflight import failures, preflight, summary, table
from operations.smoke import smoke
from operations.state import prepare
from operations.summary import summary as stack_summary
from operations.verify import verify
from stacks.image import declared
from stacks.load import load_file, stack_file
from stacks.problems import SettingsError
from tools.console import Problem, phase, run_tool

_VERBS = {
    "check": "name every mistake in the stack file",
    "preflight": "ask this machine and the stack's hosts whether they can do what it wants; changes nothing",
    "state": "make the local state of a test stack fit to work on",
    "summary": "say where the stack's gateways are and how fast they were",
    "smoke": "run the smoke check of every gateway now",
    "verify": "compare the running guests with what was declared",
    "ssh": "log in to a gateway",
    "console": "watch a gateway's serial console",
}


def main() -> int:
    """Carry out one command line; its exit code."""
    parser = argparse.ArgumentParser(prog="operations", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in _VERBS.items():
        one = verbs.add_parser(verb, help=text, description=text)
        one.add_argument("stack")
        if verb in ("ssh", "console"):
            one.add_argument("gateway", nargs="?", default="gw1")
    arguments = parser.parse_args()
    stack = arguments.stack
    try:
        return _carry_out(arguments.verb, stack, getattr(arguments, "gateway", ""))
    except (SettingsError, HostProblem) as error:
        raise Problem(str(error)) from None


def _carry_out(verb: str, stack: str, gateway: str) -> int:
    settings = load_file(Path.cwd(), stack)
    if verb == "check":
        return 0  # to have been loaded is to be right
    if verb == "state":
        prepare(stack, settings)
    elif verb == "preflight":
        image = declared(settings.image, Path.cwd(), str(stack_file(stack)))
        with phase("Ask this machine and the hosts"):
            report = preflight(stack, settings, image, Path.cwd(), boot=True)
        print(table(report))
        print(summary(stack, report).splitlines()[-1])
        return 1 if failures(report) else 0
    elif verb == "summary":
        print(stack_summary(stack))
    elif verb == "smoke":
        return smoke(stack, settings)
    elif verb == "verify":
        return verify(stack, settings)
    else:
        return (ssh if verb == "ssh" else console)(stack, settings, gateway)
    return 0


if __name__ == "__main__":
    run_tool(main)
