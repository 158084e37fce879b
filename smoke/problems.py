"""What can go wrong in a check outside our own code: each a clear sentence, never a traceback."""

from __future__ import annotations

from nordgate.errors import Problem


class UsageProblem(Problem):
    """The plan or the command line is wrong: nothing was checked."""

    exit_code = 2


class NotReady(Problem):
    """The guest reported a failed first boot, or reported nothing in time."""


class TargetProblem(Problem):
    """The gateway cannot be reached, or is not who it should be."""
