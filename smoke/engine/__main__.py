"""`python -m smoke.engine`: one job as a line on the standard input, one JSON object per line on the standard output.

It lives as long as its standard input: when whoever asked is gone, nothing goes on sending.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import replace
from typing import Any

from smoke.engine.connection_errors import Unreachable
from smoke.engine.job import Job
from smoke.engine.run import measure
from smoke.engine.sockets import files_for


def _tell(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


def _go_first() -> None:
    """Run ahead of the machine's other work: what delays a send there is not the gateway."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        _tell({"note": "the load generator was to run in real time, and may not there: it needs root or CAP_SYS_NICE"})


def main() -> int:
    """Carry out the job; 1 with a `problem` told when it cannot be."""
    job = Job.from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    if job.real_time:
        _go_first()
    allowed = files_for(job.connections * len(job.endpoints)) // len(job.endpoints)
    try:
        missing = max(0, job.connections - allowed)
        if missing:
            told = f"{allowed} connections, not {job.connections}: the hard limit of open files (ulimit -Hn) ends there"
            _tell({"note": told})
        for tally in measure(replace(job, connections=job.connections - missing)):
            tally.missing_connections = missing
            _tell({"tally": vars(tally)})
    except Unreachable as problem:
        _tell({"problem": str(problem)})
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
