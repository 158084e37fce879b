"""The command line of `python -m smoke`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from nordgate.errors import NordgateError, UsageError
from smoke import report, wrk
from smoke.check import check
from smoke.load import PROFILES, SOURCES_WRK, Budget, Load, Protocol
from smoke.plan import Plan, Proof
from smoke.plan_parts import Paths
from smoke.plan_reader import parse_plan
from smoke.progress import Progress
from smoke.report_document import schema

_EPILOG = """\
exit codes:
  0  pass
  1  fail: a proof, a budget, a guest that is not ready, a target that cannot be reached
  2  usage: the command line or the plan is wrong; nothing was checked
  3  inconclusive: this machine was too busy to tell, in every attempt (0 if the plan says onInconclusive: warn)
  130  stopped by Ctrl-C

examples:
  python -m smoke --plan plan.json --report reports
  python -m smoke --target https://api.example.com --p99 50
  python -m smoke --target https://10.8.0.20 --server-name api.example.com --cafile ca.pem --proofs-only
"""


def parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    root = argparse.ArgumentParser(
        prog="python -m smoke",
        description="Check a gateway: wait until its guest is ready, prove what it answers, measure its latency.\n"
        "A short table goes to the error output, one JSON object to the standard output.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = root.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", metavar="FILE", help="a JSON plan; - reads it from standard input")
    what.add_argument("--schema", action="store_true", help="print the JSON schema of a report and end")
    what.add_argument("--target", metavar="URL", help="https://HOST[:PORT], for a check over the network only")
    root.add_argument("--json", action="store_true", help="print the JSON object only, with all evidence in it")
    root.add_argument(
        "--report", metavar="DIR", type=Path, help="write DIR/STACK-GATEWAY[-PROFILE].json, .md, .html and history"
    )
    root.add_argument("--brief", action="store_true", help="of the proofs, show only those that fail")
    root.add_argument("--proofs-only", action="store_true", help="no load")

    profiles = [*PROFILES, SOURCES_WRK]
    root.add_argument("--profile", choices=profiles, help="another load: 10,000 connections, or wrk's, only shown")

    load, budget, paths = Load(), Budget(), Paths()
    flags = root.add_argument_group("with --target")
    flags.add_argument("--server-name", metavar="NAME", help="name in the certificate and Host, if not the URL's")
    flags.add_argument("--connect", metavar="HOST:PORT", help="where to really connect, if not the URL's")
    flags.add_argument("--cafile", metavar="FILE", help="PEM file to trust instead of the machine's authorities")
    flags.add_argument("--insecure", action="store_true", help="do not verify the certificate; the table says so")
    flags.add_argument("--health", metavar="PATH", help=f"path that nginx answers ({paths.health})")
    flags.add_argument("--path", metavar="PATH", help=f"path that an upstream answers ({paths.proxied})")
    flags.add_argument("--rate", type=float, metavar="N", help=f"requests per second ({load.rate:g})")
    flags.add_argument("--duration", type=float, metavar="S", help=f"counted seconds ({load.duration_seconds:g})")
    flags.add_argument("--warm-up", type=float, metavar="S", help=f"seconds before ({load.warm_up_seconds:g})")
    flags.add_argument("--protocol", choices=get_args(Protocol), help=f"what to load it with ({load.protocols[0]})")
    flags.add_argument("--connections", type=int, metavar="N", help=f"kept open ({load.connections})")
    flags.add_argument("--p50", type=float, metavar="MS", help="budget of the median (none)")
    flags.add_argument("--p99", type=float, metavar="MS", help="budget of the 99th percentile (none)")
    flags.add_argument("--p999", type=float, metavar="MS", help="budget of the 99.9th percentile (none)")
    flags.add_argument("--error-rate", type=float, metavar="SHARE", help=f"errors allowed ({budget.error_rate:g})")
    flags.add_argument("--baseline", metavar="URL", help="http:// address of an upstream to measure in turn (none)")
    flags.add_argument("--skip", action="append", choices=get_args(Proof), help="leave out a proof; may be repeated")
    return root


_FLAGS = {
    "server_name": "serverName", "connect": "connect", "cafile": "trust.caFile", "insecure": "trust.insecure",
    "health": "paths.health", "path": "paths.proxied", "rate": "load.rate", "duration": "load.durationSeconds",
    "protocol": "load.protocols", "baseline": "baseline", "p999": "budget.p999",
    "warm_up": "load.warmUpSeconds", "connections": "load.connections", "p50": "budget.p50", "p99": "budget.p99",
    "error_rate": "budget.errorRate", "skip": "skip",
}  # fmt: skip


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the options name, or are."""
    given = {flag: value for flag in _FLAGS if (value := getattr(options, flag)) not in (None, False)}
    if options.target is not None:
        # An address of IPv6 has colons and brackets; a name has neither.
        host = re.sub(r"[^A-Za-z0-9_.-]+", "-", options.target.removeprefix("https://")).strip("-.") or "target"
        settings: dict[str, Any] = {"stack": "network", "gateway": host, "url": options.target}
        for flag, value in given.items():
            section, _, key = _FLAGS[flag].rpartition(".")
            (settings.setdefault(section, {}) if section else settings)[key] = [value] if key == "protocols" else value
        plan = parse_plan(json.dumps(settings), "--target")
    else:
        if given:
            names = ", ".join("--" + flag.replace("_", "-") for flag in given)
            raise UsageError(f"{names}: only with --target; a plan says it itself.")
        try:
            text = sys.stdin.read() if options.plan == "-" else Path(options.plan).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the plan {options.plan}: {error}.") from None
        plan = parse_plan(text, "standard input" if options.plan == "-" else options.plan)
    if options.target is not None and (options.proofs_only or options.profile == SOURCES_WRK):
        idle = ", ".join("--" + flag.replace("_", "-") for flag in given if _FLAGS[flag].startswith("budget."))
        if idle:
            why = "--proofs-only" if options.proofs_only else f"--profile {SOURCES_WRK}"
            raise UsageError(f"{idle}: with {why} no budget is judged.")
    if options.proofs_only or options.profile == SOURCES_WRK or plan.load is None:
        return plan.model_copy(update={"load": None})
    if options.profile is None:
        return plan
    # A load of the gateway alone: an upstream is not built for so many connections.
    return plan.alone(plan.load.model_copy(update=PROFILES[options.profile]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except NordgateError as problem:
        print(f"smoke: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print("smoke: stopped; nothing was changed.", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        print(schema(), end="")
        return 0
    plan = plan_of(options)
    progress = Progress(quiet=options.json)
    result = check(plan, progress)
    if options.profile == SOURCES_WRK and result.problem is None:
        with progress.phase(wrk.TITLE):
            result.lines += wrk.lines(plan)
    page = None
    if options.report:
        try:
            page = report.write(result, options.report, options.profile)
        except OSError as error:
            raise UsageError(f"cannot write the report to {options.report}: {error.strerror}.") from None
    if not options.json:
        kept = report.evidence_folder(result, options.report) if options.report and result.evidence else None
        report.show(result, options.brief, kept)
    found = result.report().as_json() if options.json else result.summary(page)
    print(json.dumps(found, separators=(",", ":"), ensure_ascii=False), flush=True)
    return result.exit_code
