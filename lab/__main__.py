"""`python -m lab up|down|status|exec`: see `--help`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from lab import control, links
from lab.dns import by_its_name
from lab.inside import execute, first_process
from lab.layout import Forward, Lab
from nordgate.console import run_tool
from nordgate.errors import NordgateError
from nordgate.settings.connection_rules import hypervisor_reach
from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_settings import Settings

_CHECKOUT = Path(__file__).parents[1]
_CHRONYD = _CHECKOUT / ".nordgate/packages/usr/sbin/chronyd"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Throw-away hypervisors in namespaces of this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start the host of stack NAME-test; harmless when it runs")
    up.add_argument("name")
    up.add_argument("--alone", action="store_true", help="without the links that the stack is measured over")
    down = verbs.add_parser("down", help="end a lab and delete all of it")
    down.add_argument("name")
    down.add_argument("--force", action="store_true", help="even while it has guests")
    verbs.add_parser("status", help="list the labs and their guests")
    execute = verbs.add_parser("exec", help="run a command inside a lab")
    execute.add_argument("name")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def _forwards(settings: Settings) -> list[Forward]:
    """The ways from 127.0.0.1 to the gateways of the stack that the lab is for."""
    return [
        Forward(int(gateway.entry.rpartition(":")[2]), str(gateway.address), settings.nginx.listeners.https)
        for gateway in settings.gateways.values()
        if gateway.entry
    ]


def _upstreams(settings: Settings) -> list[str]:
    """The addresses of the region's upstream servers, which the lab's backends answer for."""
    hosts = {
        server.address.rpartition(":")[0] for group in settings.nginx.upstreams.values() for server in group.servers
    }
    return sorted({address for host in hosts for address in by_its_name(host) or [host] if _is_ipv4(address)})


def _is_ipv4(text: str) -> bool:
    return text.replace(".", "").isdigit()


def _links(lab: Lab, settings: Settings) -> None:
    """Link the lab with those of the regions that its stack is measured from."""
    for region, origin in settings.origins.items():
        reach = hypervisor_reach(origin.uri)
        if reach.startswith("lab:"):
            other = links.End(Lab(reach.removeprefix("lab:")), origin.network)
            links.join(links.End(lab, settings.network.cidr), other, settings.facts.round_trips.regions[region])


def _chronyd() -> str:
    if _CHRONYD.exists():
        return str(_CHRONYD)
    if found := shutil.which("chronyd", path="/usr/sbin:/usr/bin"):
        return found
    raise NordgateError('chronyd not found: run "make tools", which fetches it.')


def main() -> int:
    """Carry out one command line; its exit code."""
    try:
        return _main()
    except SettingsError as error:
        raise NordgateError(str(error)) from None


def _main() -> int:
    arguments = _parser().parse_args()
    if arguments.verb == "status":
        for name in control.names():
            lab = Lab(name)
            running = first_process(lab)
            state = f"running, guests: {', '.join(control.guests(lab)) or 'none'}" if running else "not running"
            linked = f", linked with: {', '.join(found)}" if (found := links.linked(lab)) else ""
            print(f"{name}: {state}{linked}")
        return 0
    lab = Lab(arguments.name)
    if arguments.verb == "up":
        settings = load_file(_CHECKOUT, f"{lab.name}-test")
        control.up(lab, _forwards(settings), _upstreams(settings), _chronyd())
        if not arguments.alone:
            _links(lab, settings)
    elif arguments.verb == "down":
        if not arguments.force and first_process(lab) and (found := control.guests(lab)):
            raise NordgateError(
                f'lab {lab.name} has guests ({", ".join(found)}): "make destroy" first, or add FORCE=1.'
            )
        links.part(lab)
        control.down(lab)
    else:
        return execute(lab, arguments.command)
    return 0


if __name__ == "__main__":
    run_tool(main)
