"""What virsh, libvirt, the guest agent and ssh say, recognised: each sentence of theirs stands here and nowhere else.

virsh prints no error codes. Its sentences are read in the language that `ENGLISH` asks it for.
"""

from __future__ import annotations

from enum import Enum

ENGLISH = {"LC_ALL": "C", "LANGUAGE": ""}
"""Environment of a program whose messages are read. LANGUAGE alone would still translate under C.UTF-8."""


class Said(Enum):
    """A message that something depends on; the value is what only it contains, one of several where versions differ."""

    # virsh, about the names that it was given
    NO_DOMAIN = ("failed to get domain",)
    NO_VOLUME = ("failed to get vol",)
    NO_POOL = ("failed to get pool",)
    # virsh and libvirt, about the connection
    UNREACHED = ("failed to connect to the hypervisor",)
    LINE_BROKEN = ("Cannot recv data",)
    # libvirt
    POOL_INACTIVE = ("is not active",)
    POOL_WRITTEN = ("asynchronous jobs running",)
    DOMAIN_STOPPED = ("domain is not running",)
    NO_AGENT_CHANNEL = ("agent is not configured",)
    AGENT_SILENT = ("Guest agent is not responding", "not available for now")
    # the guest agent
    AGENT_REFUSES = ("has been disabled", "not allowed")
    NO_GUEST_FILE = ("No such file",)
    # ssh
    HOST_KEY_CHANGED = ("REMOTE HOST IDENTIFICATION HAS CHANGED",)
    HOST_KEY_UNKNOWN = ("Host key verification failed",)
    LOGIN_REFUSED = ("Permission denied",)
    SESSION_REFUSED = ("open failed",)
    SERVER_SILENT = ("Timeout, server",)

    # the libvirt provider, and its SSH
    FORWARD_REFUSED = ("on the remote host: ssh: rejected",)
    KEY_REFUSED = ("unable to authenticate",)
    NO_KEY = ("could not configure SSH authentication",)
    NO_KNOWN_HOSTS = ("failed to read ssh known hosts",)
    KEY_NOT_KNOWN = ("key is unknown",)
    KEY_DIFFERS = ("key mismatch",)
    NOTHING_COMMON = ("no common algorithm",)
    NO_WAY = ("dial tcp", "bastion host")

    def within(self, text: object) -> bool:
        """Whether `text`, a message or the problem made of one, says this."""
        return any(words in str(text) for words in self.value)


def agent_failure(text: str, command: str) -> str:
    """The guest agent's own reason for failing `command`; empty when it is not the agent that failed."""
    return text.partition(f"unable to execute QEMU agent command '{command}': ")[2]


def libvirt_message(stderr: str) -> str:
    """What virsh printed as errors, in one line."""
    lines = dict.fromkeys(line.removeprefix("error:").strip() for line in stderr.splitlines())
    return ": ".join(line for line in lines if line) or "virsh failed and said nothing."


def ssh_reason(stderr: str) -> str:
    """What ssh ends with when it fails, without its name and full stop."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    reason = (lines[-1] if lines else "ssh said nothing").rpartition("ssh: ")[2]
    # What virsh puts before ssh's own words.
    reason = reason.removeprefix("error: ").removeprefix("Cannot recv data: ")
    return reason.removesuffix(": Connection reset by peer").rstrip(".")
