"""What can go wrong between here and a host or its guests: each a clear sentence, never a traceback."""

from __future__ import annotations


class Problem(Exception):
    """What was asked for cannot be done; the message is one sentence that says why."""

    exit_code = 1


class HypervisorProblem(Problem):
    """libvirt or the domain cannot be asked."""


class LibvirtUnreached(HypervisorProblem):
    """The host, where there is one, lets us in, and no libvirt answers there."""


class DomainStopped(HypervisorProblem):
    """The domain is defined, but it does not run (any more)."""


class AgentProblem(Problem):
    """The guest agent refuses or fails a command."""


class AgentSilent(AgentProblem):
    """The guest agent does not answer now; it may later."""


class GuestFileMissing(AgentProblem):
    """The guest has no such file."""
