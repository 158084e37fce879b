"""The hypervisor, asked through virsh only: libvirt's Python binding must be compiled, virsh is a package away."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from urllib.parse import quote as url_quote
from urllib.parse import urlsplit
from xml.etree import ElementTree

from nordgate.errors import DomainStoppedError, HypervisorError, LibvirtUnreachableError
from nordgate.hypervisor.connection import read_uri
from nordgate.hypervisor.domain_states import read_state
from nordgate.hypervisor.host_commands import HostCommands, ssh_sentence
from nordgate.hypervisor.libvirt_messages import ENGLISH, Said, libvirt_message

AGENT_CHANNEL = "org.qemu.guest_agent.0"
_TAIL_BYTES = 65536
_WRITTEN_WITHIN = 3600.0
"""Seconds that another volume may take to be written: half a GiB over a line of 2 Mbit/s."""
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class DomainView:
    """One look at a running domain."""

    agent_connected: bool
    console_log: str | None


class Hypervisor:
    """One libvirt connection, by URI; every call is one short virsh process with a bound."""

    def __init__(self, uri: str | None = None):
        self.uri = uri
        self._folder: TemporaryDirectory[str] | None = None

    @property
    def label(self) -> str:
        """How messages call this connection."""
        return self.uri or os.environ.get("LIBVIRT_DEFAULT_URI") or "virsh's default connection"

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        """The words and the environment of a virsh process.

        libvirt ignores what the URI of `qemu+ssh` says about host keys, and its ssh asks the terminal. Ours does as
        `knownhosts` and `known_hosts_verify` say, and never asks; libvirt passes no environment on, so it is a file.
        """
        environment = {**os.environ, **ENGLISH}
        uri = self.uri
        if uri and (where := read_uri(uri)).transport == "ssh" and "command" not in where.parameters:
            self._folder = self._folder or TemporaryDirectory(prefix="nordgate-ssh-")
            ssh = Path(self._folder.name) / "ssh"
            ssh.write_text(f'#!/bin/sh\nexec {shlex.join(["ssh", *where.ssh_options])} "$@"\n')
            ssh.chmod(0o700)
            uri += f"{'&' if urlsplit(uri).query else '?'}command={url_quote(str(ssh))}"
        return ["virsh", *(["-c", uri] if uri else []), *words], environment

    def virsh(self, *words: str, timeout: float = 20) -> str:
        """The output of one virsh command; a failure is a HypervisorError with libvirt's own words."""
        command, environment = self.command("-q", *words)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=timeout,
                env=environment, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise HypervisorError("virsh is not on PATH: install the package libvirt-clients.") from None
        except subprocess.TimeoutExpired:
            raise HypervisorError(f"{self.label} does not answer virsh within {timeout:.0f} s.") from None
        if done.returncode == 0:
            return done.stdout
        said = libvirt_message(done.stderr)
        unreached = Said.UNREACHED.within(said)
        of_ssh = Said.SERVER_SILENT.within(done.stderr) or (unreached and Said.LINE_BROKEN.within(said))
        if of_ssh and (where := read_uri(self.label)).transport == "ssh":
            raise HypervisorError(ssh_sentence(where, done.stderr))
        if unreached:
            raise LibvirtUnreachableError(f"cannot reach libvirt at {self.label}: {said.split(': ', 1)[-1]}")
        raise HypervisorError(said)

    def refresh_pool(self, pool: str, within: float = _WRITTEN_WITHIN) -> None:
        """Have libvirt look at what lies in the pool. While a volume is written it refuses, and is asked again."""
        deadline = time.monotonic() + within
        while True:
            try:
                self.virsh("pool-refresh", pool, timeout=60)
                return
            except HypervisorError as problem:
                if not Said.POOL_WRITTEN.within(problem):
                    raise
                if time.monotonic() > deadline:
                    raise HypervisorError(
                        f"the pool {pool} at {self.label} has been written to for {within:.0f} s: see there which "
                        f"upload or copy does not end. {problem}"
                    ) from None
            time.sleep(0.5)

    def volume(self, pool: str, name: str) -> ElementTree.Element | None:
        """What libvirt knows of a volume; None when there is no such volume, or no such pool."""
        try:
            xml = self.virsh("vol-dumpxml", name, "--pool", pool)
        except HypervisorError as problem:
            if Said.NO_VOLUME.within(problem) or Said.NO_POOL.within(problem):
                return None
            raise
        return ElementTree.fromstring(xml)  # noqa: S314 - libvirt wrote it

    def look(self, domain: str) -> DomainView:
        """How the domain is now; raises DomainStoppedError, with the state and its reason, if it does not run."""
        try:
            out = self.virsh(f"domstate --domain {quote(domain)} --reason; dumpxml --domain {quote(domain)}")
        except HypervisorError as problem:
            if Said.NO_DOMAIN.within(problem):
                raise DomainStoppedError(f"there is no domain {domain} at {self.label}.") from None
            raise
        said, _, xml = out.partition("<domain")
        state = read_state(said)
        if not (state.runs or state.passes):
            raise DomainStoppedError(f"the domain {domain} does not run: it is {state}.")
        tree = ElementTree.fromstring("<domain" + xml)  # noqa: S314 - libvirt wrote it
        channel = tree.find(f"devices/channel/target[@name='{AGENT_CHANNEL}']")
        if channel is None:
            raise HypervisorError(f"the domain {domain} has no guest agent channel ({AGENT_CHANNEL}).")
        return DomainView(channel.get("state") == "connected", _console_log(tree))

    def console_tail(self, path: str, lines: int = 30) -> list[str]:
        """The last lines of a serial console's log; if they cannot be had, one line that says why."""
        return last_lines(self._tail(path), lines)

    def _tail(self, path: str) -> str:
        host = HostCommands(self.label if "://" in self.label else "qemu:///system")
        if host.connection.way == "local":
            return _local_tail(path)
        try:
            return host.run(["tail", "-c", str(_TAIL_BYTES), path])
        except HypervisorError as problem:
            return f"(the console log {path} cannot be read: {problem})"


def last_lines(text: str, count: int) -> list[str]:
    """The last lines with something in them, without what would move a terminal's cursor."""
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return list(deque((line.rstrip() for line in plain.split("\n") if line.strip()), maxlen=count))


def _local_tail(path: str) -> str:
    try:
        with Path(path).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return log.read().decode(errors="replace")
    except OSError as error:
        return f"(the console log {path} cannot be read: {error.strerror})"


def _console_log(tree: ElementTree.Element) -> str | None:
    for device in (*tree.findall("devices/serial"), *tree.findall("devices/console")):
        log = device.find("log")
        source = device.find("source") if device.get("type") == "file" else None
        path = log.get("file") if log is not None else source.get("path") if source is not None else None
        if path:
            return path
    return None
