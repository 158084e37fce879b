"""`python -m nordgate.cli VERB STACK [GATEWAY]`: what the Makefile's targets call. See `--help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nordgate.cli.access import console, no_gateway, ssh, start, stop
from nordgate.cli.local_state import prepare
from nordgate.cli.new_region import new_region, next_steps
from nordgate.cli.render import PLACE, diff, render
from nordgate.cli.run_smoke import REPORTS, smoke
from nordgate.cli.summary import after_failure, report, summary
from nordgate.cli.verify import verify
from nordgate.console import phase, run_tool
from nordgate.design.gateway_design import designs
from nordgate.design.image import declared
from nordgate.errors import NordgateError
from nordgate.preflight.preflight import connections, failures, preflight, table
from nordgate.preflight.preflight import summary as preflight_summary
from nordgate.settings.loader import load_file
from nordgate.settings.production_rules import told, warnings
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import stack_file

WRONG_USAGE = 2
"""The exit code for a command line or a stack file that is wrong, as argparse has it."""

_VERBS = {
    "check": "name every mistake in the stack file",
    "render": "write everything that stacks put on their machines",
    "diff": "show what of it changes from another commit to this checkout",
    "new-region": "write the files of one more region",
    "preflight": "ask this machine and the stack's hosts whether they can do what it wants; changes nothing",
    "reach": "ask whether the stack's hosts can be reached; changes nothing",
    "state": "make the local state of a test stack fit to work on",
    "summary": "say where the stack's gateways are and how fast they were",
    "failed": "say what a failed deployment has left as it was",
    "report": "print the stack's smoke reports as Markdown",
    "smoke": "run the smoke check of every gateway now",
    "verify": "compare the running guests with what was declared",
    "stop": "shut down a gateway, cleanly",
    "start": "start a gateway and wait until it is ready",
    "ssh": "log in to a gateway",
    "console": "watch a gateway's serial console",
}


_ONE = {"stop": stop, "start": start, "ssh": ssh, "console": console}
"""What is about one gateway."""


def main() -> int:
    """Carry out one command line; its exit code."""
    parser = argparse.ArgumentParser(prog="operations", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in _VERBS.items():
        one = verbs.add_parser(verb, help=text, description=text)
        if verb == "render":
            one.add_argument("stack", nargs="*", metavar="STACK", help="all of them when none is named")
            one.add_argument("--output", type=Path, default=PLACE, help=f"folder to write to, {PLACE} by default")
        elif verb == "diff":
            one.add_argument(
                "base", metavar="COMMIT", help="a branch, a tag or a commit; compared from where this left it"
            )
        elif verb == "new-region":
            one.add_argument("name", metavar="NAME")
            one.add_argument("--like", default="oslo", help="the region whose files are the model")
        else:
            one.add_argument("stack")
        if verb in _ONE:
            one.add_argument("gateway", nargs="?", default="gw1")
        elif verb == "check":
            one.add_argument("gateway", nargs="?", default="", help="a gateway that it must have")
    arguments = parser.parse_args()
    here = Path.cwd()
    try:
        if arguments.verb == "render":
            print(*render(here, arguments.stack, arguments.output), sep="\n")
        elif arguments.verb == "diff":
            print(diff(here, arguments.base), end="")
        elif arguments.verb == "new-region":
            print(*new_region(here, arguments.name, arguments.like), sep="\n")
            print(f"\n{next_steps(arguments.name, arguments.like)}")
        else:
            return _carry_out(arguments.verb, arguments.stack, getattr(arguments, "gateway", ""))
        return 0
    except SettingsError as error:
        print(f"nordgate: {error}", file=sys.stderr)
        return WRONG_USAGE


def _carry_out(verb: str, stack: str, gateway: str) -> int:
    if verb == "failed":
        print(after_failure(stack))
        return 1
    settings = load_file(Path.cwd(), stack)
    if verb == "check":
        # To have been loaded is to be right.
        if gateway and gateway not in settings.gateways:
            raise NordgateError(no_gateway(gateway, settings))
        for warning in warnings(stack, settings):
            print(f"nordgate: warning: {told(warning)}", file=sys.stderr)
        return 0
    if verb == "state":
        prepare(stack, settings)
    elif verb == "preflight":
        image = declared(settings.image, Path.cwd(), str(stack_file(stack)))
        with phase("Ask this machine and the hosts"):
            found = preflight(stack, settings, image, designs(settings, stack, Path.cwd()), Path.cwd(), boot=True)
        print(table(found))
        print(preflight_summary(stack, found).splitlines()[-1])
        return 1 if failures(found) else 0
    elif verb == "reach":
        found = connections(settings)
        if failures(found):
            print(preflight_summary(stack, found), file=sys.stderr)
            return 1
    elif verb == "summary":
        print(summary(stack))
    elif verb == "report":
        print(report(stack, Path(REPORTS)))
    elif verb == "smoke":
        return smoke(stack, settings)
    elif verb == "verify":
        return verify(stack, settings)
    else:
        return _ONE[verb](stack, settings, gateway)
    return 0


if __name__ == "__main__":
    run_tool(main)
