"""Makes a test stack's local state fit to work on after whatever ended the last run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nordgate.cli.checkpoint import STATE, clear_side_files, holder, latest, locks, place
from nordgate.console import phase
from nordgate.design.gateway_design import shared_name
from nordgate.errors import NordgateError
from nordgate.hypervisor import power
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.machine import derived_uuid
from nordgate.settings.stack_settings import Settings

_SECONDS = 300
"""For what takes Pulumi one: it reads and writes files of this checkout."""
_KINDS = {"domain": "dom", "network": "net-", "pool": "pool-"}
"""What bears a derived UUID, and how virsh's commands for it start."""


@dataclass(frozen=True)
class Orphan:
    """Something on a hypervisor that bears the stack's mark and is not in its state."""

    kind: str
    name: str
    remove: tuple[tuple[str, ...], ...] = ()
    """The virsh commands that delete it; a domain is cut off and undefined, whatever state it is in."""


@dataclass(frozen=True)
class Recorded:
    """What the state says is there."""

    identifiers: frozenset[str]
    marked: frozenset[str]
    """The UUIDs among them that are derived: domains, networks, pools."""
    unfinished: bool
    """Whether operations are recorded that never ended."""


def prepare(stack: str, settings: Settings) -> None:
    """Create the stack if need be, clear the lock of a dead process, and make state and hypervisor agree.

    What a killed run left on the hypervisor is deleted; what is gone from the hypervisor is forgotten.

    Raises NordgateError, with what to type, when a file of the state is not whole or cannot be read.
    """
    try:
        STATE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NordgateError(f"{STATE} must be a folder that you may write: {error.strerror}.") from None
    clear_dead_locks(stack)
    end_stray_plugins(Path.cwd())
    clear_side_files()
    if not place(stack).exists():
        _pulumi("stack", "init", stack, "--no-select")
    recorded = _recorded(stack)
    hypervisors = [Hypervisor(host.uri) for host in settings.hypervisors.values()]
    for hypervisor in hypervisors:
        for orphan in _orphans(stack, hypervisor, recorded.identifiers):
            with phase(f"Removing {orphan.kind} {orphan.name}, left by a stopped run"):
                if orphan.kind == "domain":
                    power.cut_off(hypervisor, orphan.name)
                    power.undefine(hypervisor, orphan.name)
                for command in orphan.remove:
                    hypervisor.virsh(*command, timeout=60)
    if recorded.unfinished:
        _drop_unfinished(stack)
    there = {uuid for hypervisor in hypervisors for _, _, uuid in _marked(stack, hypervisor)}
    if recorded.marked and not recorded.marked & there:
        with phase("Forgetting what was on a hypervisor that has been remade"):
            _pulumi("stack", "rm", stack, "--force", "--preserve-config", "--yes")
            _pulumi("stack", "init", stack, "--no-select")


def clear_dead_locks(stack: str) -> None:
    """Delete locks whose process is gone. Raises NordgateError for one that is held.

    One that was cut off names nobody: it is held while any pulumi is at work in this checkout.
    """
    for lock in locks(stack):
        found = holder(lock)
        pid = found.get("pid", 0) if found else _pulumi_here()
        host = (found or {}).get("hostname", socket.gethostname())
        if host != socket.gethostname():
            raise NordgateError(f"stack {stack} is locked by {found}: wait, or run `pulumi cancel --stack {stack}`.")
        if _is_pulumi(pid):
            raise NordgateError(f"pulumi (process {pid}) is working on stack {stack}: wait for it, or end it.")
        lock.unlink()


def _pulumi_here() -> int | None:
    """The PID of a pulumi that works in this checkout."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "comm").read_text() == "pulumi\n" and (process / "cwd").readlink() == Path.cwd():
                return int(process.name)
    return None


def end_stray_plugins(checkout: Path) -> None:
    """End the plugins of this checkout whose `pulumi` was killed: they would wait for it for ever."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = (process / "exe").readlink()
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        is_plugin = program.is_relative_to(checkout / ".nordgate") and program.name.startswith("pulumi-")
        if is_plugin and not _is_pulumi(int(parent)):
            os.kill(int(process.name), signal.SIGTERM)


def _is_pulumi(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        return b"pulumi" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _recorded(stack: str) -> Recorded:
    state = latest(stack)
    # One that is pending replacement has been deleted: what is there by its identifier was made by the killed run.
    resources = [found for found in state.get("resources") or [] if not found.get("pendingReplacement")]
    identifiers = {resource.get("id", "") for resource in resources} - {""}
    marked = {
        resource["id"]
        for resource in resources
        if resource.get("id") and resource["type"] in {f"libvirt:index/{kind}:{kind.title()}" for kind in _KINDS}
    }
    commands = [resource for resource in resources if resource["type"] == "command:local:Command"]
    # A command's own identifier says nothing: one that copies a root volume has the volume's path as a trigger, and one
    # that makes a data volume prints it.
    for command in commands:
        identifiers |= {str(trigger) for trigger in command.get("inputs", {}).get("triggers", [])}
        identifiers.add(command.get("outputs", {}).get("stdout", ""))
    return Recorded(frozenset(identifiers), frozenset(marked), bool(state.get("pending_operations")))


def _drop_unfinished(stack: str) -> None:
    """What they made has been deleted or is in the state: the record of them only stands in the way."""
    deployment: dict[str, Any] = json.loads(_pulumi("stack", "export", "--stack", stack))
    deployment["deployment"].pop("pending_operations", None)
    _pulumi("stack", "import", "--stack", stack, text=json.dumps(deployment))


def _marked(stack: str, hypervisor: Hypervisor) -> Iterator[tuple[str, str, str]]:
    """Kind, name and UUID of whatever on the hypervisor has a UUID that only this stack derives."""
    for kind, command in _KINDS.items():
        listing = "list" if kind == "domain" else f"{command}list"
        for name in hypervisor.virsh(listing, "--all", "--name").split():
            uuid = hypervisor.virsh(f"{command}uuid", name).strip()
            if uuid == derived_uuid(stack, kind, name):
                yield kind, name, uuid


def _orphans(stack: str, hypervisor: Hypervisor, known: frozenset[str]) -> Iterator[Orphan]:
    """What stands on others comes first: domains, then volumes, then the pools and networks."""
    kinds: dict[str, list[Orphan]] = {kind: [] for kind in ("domain", "volume", "pool", "network")}
    for kind, name, uuid in list(_marked(stack, hypervisor)):
        if uuid in known:
            continue
        if kind == "domain":
            kinds[kind].append(Orphan(kind, name))
        else:
            stop = ((f"{_KINDS[kind]}destroy", name),) if _active(hypervisor, kind, name) else ()
            kinds[kind].append(Orphan(kind, name, (*stop, (f"{_KINDS[kind]}undefine", name))))
    pool = shared_name(stack)
    if pool in hypervisor.virsh("pool-list", "--name").split():
        hypervisor.refresh_pool(pool, within=60)
        for line in hypervisor.virsh("vol-list", pool).splitlines():
            name, path = line.split(maxsplit=1)
            # A data volume is kept: only an empty one is ever taken over, and never is one deleted here.
            if name.startswith(f"{stack}-") and not name.endswith("-data.raw") and path.strip() not in known:
                kinds["volume"].append(Orphan("volume", name, (("vol-delete", name, "--pool", pool),)))
    for found in kinds.values():
        yield from found


def _active(hypervisor: Hypervisor, kind: str, name: str) -> bool:
    information = hypervisor.virsh(f"{_KINDS[kind]}info", name)
    return any(line.split() in (["Active:", "yes"], ["State:", "running"]) for line in information.splitlines())


def _pulumi(*words: str, text: str | None = None) -> str:
    try:
        result = subprocess.run(
            ["pulumi", *words, "--non-interactive"], input=text, capture_output=True, text=True, check=False,
            timeout=_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NordgateError(
            f"pulumi {' '.join(words[:2])} did not end within {_SECONDS} s: its state lies in {STATE}."
        ) from None
    except FileNotFoundError:
        raise NordgateError('pulumi not found: run "make tools".') from None
    if result.returncode:
        raise NordgateError(f"pulumi {' '.join(words[:2])}: {' '.join((result.stderr or result.stdout).split())}")
    return result.stdout
