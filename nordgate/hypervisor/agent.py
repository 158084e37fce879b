"""The QEMU guest agent, through `virsh qemu-agent-command`: no SSH credential, no route into the guest network."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nordgate.errors import AgentError, AgentSilentError, DomainStoppedError, GuestFileMissingError, HypervisorError
from nordgate.hypervisor.libvirt_messages import Said, agent_failure
from nordgate.hypervisor.virsh import Hypervisor

_CHUNK = 256 * 1024
_SEEK_END = 2


@dataclass(frozen=True)
class Completed:
    """A command that ended in the guest."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class GuestAgent:
    """The agent of one domain. Calls cost guest CPU: look with `Hypervisor.look` first, and poll gently."""

    def __init__(self, hypervisor: Hypervisor, domain: str, timeout: int = 10):
        self.hypervisor = hypervisor
        self.domain = domain
        self.timeout = timeout

    def command(self, name: str, **arguments: Any) -> Any:
        """Send one agent command and return what it returns."""
        message = {"execute": name, **({"arguments": arguments} if arguments else {})}
        words = ("qemu-agent-command", "--domain", self.domain, "--timeout", str(self.timeout))
        try:
            # libvirt's synchronisation with the agent may take as long again as the command itself.
            out = self.hypervisor.virsh(*words, "--cmd", json.dumps(message), timeout=2 * self.timeout + 5)
        except HypervisorError as problem:
            raise _translated(str(problem), name, self.domain, problem) from None
        try:
            return json.loads(out)["return"]
        except (ValueError, KeyError, TypeError):
            raise AgentError(f"the guest agent of {self.domain} answers {name} with {out.strip()[:80]!r}.") from None

    def ping(self) -> None:
        """Ask the agent for a sign of life. Raises AgentSilentError when there is none."""
        self.command("guest-ping")

    def read_file(self, path: str, limit: int = 1024 * 1024, tail: bool = False) -> bytes:
        """The first `limit` bytes of a file in the guest, or the last ones."""
        handle = self.command("guest-file-open", path=path, mode="r")
        try:
            if tail:
                size = self.command("guest-file-seek", handle=handle, offset=0, whence=_SEEK_END)["position"]
                self.command("guest-file-seek", handle=handle, offset=max(0, size - limit), whence=0)
            content = bytearray()
            while len(content) < limit:
                part = self.command("guest-file-read", handle=handle, count=min(_CHUNK, limit - len(content)))
                content += base64.b64decode(part["buf-b64"])
                if part["eof"] or not part["count"]:
                    break
            return bytes(content)
        finally:
            self.command("guest-file-close", handle=handle)

    def exec(self, command: Sequence[str], stdin: bytes = b"", timeout: float = 30) -> Completed:
        """Run a command in the guest as root and wait for its end; what it prints is kept whole."""
        arguments: dict[str, Any] = {"path": command[0], "arg": list(command[1:]), "capture-output": True}
        if stdin:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        pid = self.command("guest-exec", **arguments)["pid"]
        end, pause = time.monotonic() + timeout, 0.05
        while not (status := self.command("guest-exec-status", pid=pid))["exited"]:
            if time.monotonic() > end:
                raise AgentError(f"{command[0]} did not end in the guest {self.domain} within {timeout:.0f} s.")
            time.sleep(pause)
            pause = min(1.0, pause * 2)
        return Completed(
            int(status.get("exitcode", 128 + int(status.get("signal", 0)))),
            base64.b64decode(status.get("out-data", "")),
            base64.b64decode(status.get("err-data", "")),
        )

    def add_authorized_keys(self, user: str, keys: Sequence[str]) -> None:
        """`guest-ssh-add-authorized-keys`: the user's other keys stay."""
        self.command("guest-ssh-add-authorized-keys", username=user, keys=list(keys))

    def remove_authorized_keys(self, user: str, keys: Sequence[str]) -> None:
        """Take SSH keys from a user of the guest."""
        self.command("guest-ssh-remove-authorized-keys", username=user, keys=list(keys))


def _translated(said: str, command: str, domain: str, problem: HypervisorError) -> Exception:
    """libvirt's words, sorted by what the caller can do about them."""
    agent, words = f"the guest agent of {domain}", said.rsplit(": ", 1)[-1]
    if Said.AGENT_REFUSES.within(said):
        return AgentError(f"{agent} refuses {command}: {words}.")
    if Said.NO_AGENT_CHANNEL.within(said):
        return AgentError(f"the domain {domain} has no guest agent channel.")
    if Said.AGENT_SILENT.within(said):
        return AgentSilentError(f"{agent} does not answer: {words}.")
    if Said.DOMAIN_STOPPED.within(said):
        return DomainStoppedError(f"the domain {domain} does not run.")
    reason = agent_failure(said, command)
    if not reason:
        return problem
    missing = command == "guest-file-open" and Said.NO_GUEST_FILE.within(reason)
    kind = GuestFileMissingError if missing else AgentError
    return kind(f"{agent} fails {command}: {reason.rstrip('.')}.")
