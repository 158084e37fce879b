"""The bounded wait until the guest says, through its agent, that this very instance has finished its first boot."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from shlex import quote
from typing import TypeVar

from pydantic import ValidationError

from nordgate.errors import (
    AgentError,
    AgentSilentError,
    DomainStoppedError,
    GuestFileMissingError,
    HypervisorError,
    NotReadyError,
)
from nordgate.hypervisor import power
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.panic import PANICKED, PanicWatch
from nordgate.hypervisor.virsh import Hypervisor
from smoke.boot_result import BootResult
from smoke.plan import Plan
from smoke.progress import Progress

_AGAIN = "systemctl cat nordgate-boot >/dev/null && rm -f {result} && systemctl restart --no-block nordgate-boot"
"""Has a guest that runs go through its boot's steps once more. Its old result must not be read meanwhile."""

_Answer = TypeVar("_Answer")

_MISSES = 3
"""So many failed looks in a row end the wait: a libvirt that restarts is not an unreachable one."""


@dataclass
class Pace:
    """How often to look; every agent call costs guest CPU, and the guest may be emulated."""

    poll: float = 1.0
    stale: float = 30.0
    """So long may another instance's result be answered: a guest being replaced may live on for a moment."""
    grace: float = 10.0
    """So long may the agent of a gateway that serves stay silent: both start within the same seconds."""
    console: float = 10.0
    """How often to read the console while the agent is silent."""


@dataclass
class _Wait:
    plan: Plan
    pace: Pace
    started: float = field(default_factory=time.monotonic)
    waited_for: str = "the guest agent to connect"
    misses: int = 0
    serves: Callable[[], bool] = lambda: False
    panicked: Callable[[], str | None] = lambda: None
    tell: Callable[[str], None] = lambda _: None
    seen_booting: bool = False
    """Whether the boot was under way while this looked: its failure is then of now."""
    tried_again: bool = False
    silent_since: float | None = None
    serves_since: float | None = None

    def miss(self, problem: HypervisorError) -> None:
        """A look that failed: borne a few times in a row, except where the domain itself has stopped."""
        self.misses += 1
        if isinstance(problem, DomainStoppedError) or self.misses == _MISSES:
            raise problem

    def answered(self) -> None:
        self.misses, self.silent_since, self.serves_since = 0, None, None

    def silent(self, problem: AgentSilentError) -> None:
        """The agent does not answer: until the guest is up that is as it should be, in one that serves it is dead."""
        now = time.monotonic()
        first = self.silent_since is None
        if first:
            self.silent_since = now
        if why := self.panicked():
            raise NotReadyError(PANICKED.format(name=self.plan.gateway, why=why, which=self.which))
        if not self.serves():
            self.serves_since = None
        elif self.serves_since is None:
            # One that serves when it is first looked at may have done so for long.
            self.serves_since = self.started if first else now
        elif now - self.serves_since > self.pace.grace:
            raise problem

    @property
    def which(self) -> str:
        """The variables of `make` that mean the gateway."""
        return f"STACK={self.plan.stack} GATEWAY={self.plan.gateway}"

    def pause(self) -> None:
        self.tell(f"waiting for {self.waited_for}")
        if time.monotonic() - self.started + self.pace.poll > self.plan.readiness.timeout_seconds:
            bound = self.plan.readiness.timeout_seconds
            raise NotReadyError(f"{self.plan.gateway} was not ready within {bound:g} s: waited for {self.waited_for}.")
        time.sleep(self.pace.poll)


def wait_until_ready(
    plan: Plan,
    hypervisor: Hypervisor,
    agent: GuestAgent,
    progress: Progress,
    pace: Pace | None = None,
    serves: Callable[[], bool] = lambda: False,
) -> BootResult:
    """Return the result of a good first boot; raise NotReadyError or DomainStoppedError as soon as there cannot be one.

    AgentSilentError is raised when the agent stays silent although the gateway `serves`.
    """
    pace = pace or Pace()
    wait = _Wait(plan, pace, serves=serves, panicked=PanicWatch(hypervisor, agent.domain, pace.console).look)
    with progress.phase("guest agent answers") as wait.tell:
        _await_agent(wait, hypervisor, agent)
    with progress.phase("first boot has ended") as wait.tell:
        return _await_result(wait, hypervisor, agent)


def brought_back(
    plan: Plan,
    hypervisor: Hypervisor,
    agent: GuestAgent,
    progress: Progress,
    serves: Callable[[], bool] = lambda: False,
) -> BootResult:
    """Have the guest run, whatever state it is in, and wait until it is ready. Raises as `wait_until_ready`."""
    now = power.state(hypervisor, agent.domain)
    if now and not now.runs:
        with progress.phase(f"bring back {agent.domain}, which is {now}"):
            power.bring_back(hypervisor, agent.domain)
    result = wait_until_ready(plan, hypervisor, agent, progress, serves=serves)
    if now and now.stood_still:
        # chrony steps a clock in its first minutes only, and would take hours to catch up.
        with progress.phase("its clock, which stood still, hears its time servers"):
            agent.exec(["/usr/bin/systemctl", "try-restart", "chrony.service"])
    return result


def _await_agent(wait: _Wait, hypervisor: Hypervisor, agent: GuestAgent) -> None:
    while True:
        silent: AgentSilentError | None = None
        try:
            connected = hypervisor.look(agent.domain).agent_connected
            wait.misses = 0
            if connected:
                _ask_or_look(hypervisor, agent, agent.ping)
                wait.answered()
                return
            silent = AgentSilentError(f"the guest agent of {agent.domain} is not connected.")
            wait.seen_booting = True
        except AgentSilentError as problem:
            silent = problem
            wait.waited_for = f"the guest agent, which is connected, to answer ({problem})"
        except HypervisorError as problem:
            wait.miss(problem)
        if silent:
            wait.silent(silent)
        wait.pause()


def _await_result(wait: _Wait, hypervisor: Hypervisor, agent: GuestAgent) -> BootResult:
    libvirt = wait.plan.libvirt
    assert libvirt is not None  # noqa: S101 - without it nobody waits
    path, wanted = libvirt.boot_result, wait.plan.content_hash
    stale_since: float | None = None
    while True:
        try:
            content = _ask_or_look(hypervisor, agent, lambda: agent.read_file(path))
            wait.answered()
            result = BootResult.model_validate_json(content)
        except HypervisorError as problem:
            wait.miss(problem)
        except GuestFileMissingError:
            wait.seen_booting = True
            wait.waited_for = f"the guest to write {path} (its first boot goes on)"
        except ValidationError as error:
            wait.waited_for = f"a well-formed {path} ({error.errors()[0]['msg']})"
        except AgentSilentError as problem:
            wait.waited_for = f"the guest agent, which had answered before, to answer again ({problem})"
            wait.silent(problem)
        else:
            nameless = not result.ready and not result.content_hash  # it failed before it knew its own hash
            if wanted is None or result.content_hash == wanted or nameless:
                if result.ready:
                    return result
                if wait.seen_booting or not libvirt.start or not _try_again(agent, path):
                    raise NotReadyError(_failure(wait, result))
                # It failed before this began, and may have been mended since.
                wait.seen_booting = wait.tried_again = True
                wait.waited_for = f"the boot, which had failed before ({result.failure}), to end once more"
                wait.pause()
                continue
            stale_since = stale_since or time.monotonic()
            other = f"{result.content_hash}, not {wanted}: another instance answers"
            wait.waited_for = f"the new guest (the content hash in the guest is {other})"
            if time.monotonic() - stale_since > wait.pace.stale:
                raise NotReadyError(
                    f"{wait.plan.gateway} is not the guest that was declared: its content hash is {other}."
                )
        wait.pause()


def _try_again(agent: GuestAgent, result: str) -> bool:
    """Start the boot's steps once more in a guest that runs; whether that could be done."""
    try:
        return agent.exec(["/bin/sh", "-c", _AGAIN.format(result=quote(result))]).exit_code == 0
    except AgentError:
        return False


def _failure(wait: _Wait, result: BootResult) -> str:
    which = wait.which
    return (
        f"the first boot of {wait.plan.gateway} failed{', and does so again now' if wait.tried_again else ''}: "
        f"{result.failure}. Where a setting is wrong, change it and deploy. What is wrong in the guest alone can be "
        f"mended there (`make ssh {which}`): the next deployment goes through these steps again. What cloud-init could "
        f"not do counts until the guest is restarted (`make stop`, `make start`) or made anew (`make rebuild {which}`)."
    )


def _ask_or_look(hypervisor: Hypervisor, agent: GuestAgent, ask: Callable[[], _Answer]) -> _Answer:
    """What the agent answers; when it falls silent, first the reason if the domain has stopped."""
    try:
        return ask()
    except AgentSilentError:
        hypervisor.look(agent.domain)
        raise
    except DomainStoppedError as problem:
        hypervisor.look(agent.domain)
        # It goes on, or will in a moment: a snapshot stops it for as long as it takes.
        raise AgentSilentError(str(problem)) from None
