"""The errors of nordgate: each is told to a person in one clear sentence, and never as a traceback.

Standard library only: the toolchain raises them before the virtual environment exists.
"""

from __future__ import annotations


class NordgateError(Exception):
    """What was asked for cannot be done; the message says why, and what to do."""

    exit_code = 1


class HypervisorError(NordgateError):
    """libvirt or the domain cannot be asked."""


class LibvirtUnreachableError(HypervisorError):
    """The host, where there is one, lets us in, and no libvirt answers there."""


class DomainStoppedError(HypervisorError):
    """The domain is defined, but it does not run (any more)."""


class AgentError(NordgateError):
    """The guest agent refuses or fails a command."""


class AgentSilentError(AgentError):
    """The guest agent does not answer now; it may later."""


class GuestFileMissingError(AgentError):
    """The guest has no such file."""


class UsageError(NordgateError):
    """A check's plan or command line is wrong: nothing was checked."""

    exit_code = 2


class NotReadyError(NordgateError):
    """The guest reported a failed first boot, or reported nothing in time."""


class TargetError(NordgateError):
    """The gateway cannot be reached, or is not who it should be."""
