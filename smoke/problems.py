"""What can go wrong outside our own code: each a clear sentence, never a traceback."""

from __future__ import annotations


class Problem(Exception):
    """The check cannot pass; the message is one sentence that says why."""

    exit_code = 1


class UsageProblem(Problem):
    """The plan or the command line is wrong: nothing was checked."""

    exit_code = 2


class HypervisorProblem(Problem):
    """libvirt or the domain cannot be asked."""


class DomainStopped(HypervisorProblem):
    """The domain is defined, but it does not run (any more)."""


class AgentProblem(Problem):
    """The guest agent refuses or fails a command."""


class AgentSilent(AgentProblem):
    """The guest agent does not answer now; it may later."""


class GuestFileMissing(AgentProblem):
    """The guest has no such file."""


class NotReady(Problem):
    """The guest reported a failed first boot, or reported nothing in time."""


class TargetProblem(Problem):
    """The gateway cannot be reached, or is not who it should be."""
