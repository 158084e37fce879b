"""Whether the libvirt provider reaches the host that we ask: it brings an SSH of its own, which is not the ssh client.

The provider's plugin itself is asked, whichever is installed: it is started as Pulumi starts it and told to connect.
What it says when it cannot is put into words by nordgate/preflight/refusals.py.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from nordgate.errors import HypervisorError
from nordgate.hypervisor.connection import Connection, read_uri
from nordgate.hypervisor.host_commands import HostCommands
from nordgate.preflight.demands import Finding, State
from nordgate.preflight.refusals import DEFAULT_SOCKET, explain

BOUND = 20.0
"""Seconds within which the provider must have connected: as many as the plugin built here gives itself."""

_NOTHING = subprocess.DEVNULL
_SUBJECT, _WANTED = "provider", "connected by itself, to the same host"
_LOOK = 15
"""Seconds for each look at the circumstances of a failure."""
# The provider cannot tell a socket that is not there from one that sshd will not lead to: the host is asked.
_SOCKET_STATE = 'if [ ! -S "$1" ]; then echo missing; elif [ ! -w "$1" ]; then echo closed; else echo open; fi'


def plugin() -> Path:
    """Where Pulumi keeps the provider that the Python SDK asks for."""
    version = importlib.metadata.version("pulumi_libvirt")
    home = os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi"
    return Path(home, "plugins", f"resource-libvirt-v{version}", "pulumi-resource-libvirt")


def check_connection(program: Path, uri: str, system: str, bound: float = BOUND) -> Finding:
    """Have the provider connect to `uri`. `system` is the host's UUID as virsh was told it, "" where it was not.

    Reads only. Where the two UUIDs differ, everything else that was found out is another host's.
    """
    if not program.exists():
        return Finding(_SUBJECT, f"not installed in {program.parent}: make tools", _WANTED, State.UNKNOWN)
    try:
        with _started(program, bound) as provider:
            if said := provider.configure(uri, bound):
                return Finding(_SUBJECT, explain(read_uri(uri), said, *_circumstances(uri)), _WANTED, State.FAIL)
            other = provider.system(bound)
    except HypervisorError as problem:
        return Finding(_SUBJECT, str(problem).rstrip("."), _WANTED, State.FAIL)
    if system and other and other.lower() != system.lower():
        found = (
            f"reaches another host than ssh and virsh do: UUID {other}, not {system}; see `ssh -G` for what leads there"
        )
        return Finding(_SUBJECT, found, _WANTED, State.FAIL)
    return Finding(_SUBJECT, "connected" + (", to the same host" if system and other else ""), _WANTED, State.OK)


class _Provider:
    """A plugin that runs, asked as Pulumi's engine asks it."""

    def __init__(self, port: int) -> None:
        import grpc  # type: ignore[import-untyped] # it takes 0.3 s, which only this needs
        from pulumi.runtime.proto import provider_pb2_grpc

        self._failure, self._too_late = grpc.RpcError, grpc.StatusCode.DEADLINE_EXCEEDED
        # A proxy of the environment is for what lies outside, and would be asked for this too.
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)])
        self._provider = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def configure(self, uri: str, bound: float) -> str:
        """Connect to libvirt; returns what the provider said if it could not, "" if it could."""
        from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]
        from pulumi.runtime.proto import provider_pb2

        settings = Struct()
        settings["uri"] = uri
        request = provider_pb2.ConfigureRequest(
            args=settings, variables={"libvirt:config:uri": uri}, acceptSecrets=True, acceptResources=True
        )
        try:
            self._provider.Configure(request, timeout=bound)
        except self._failure as failure:
            if failure.code() is self._too_late:
                raise HypervisorError(f"libvirt at {uri} did not answer the provider within {bound:.0f} s") from None
            return _words(failure.details() or "")
        return ""

    def system(self, bound: float) -> str:
        """The host's UUID; "" when its libvirt does not tell."""
        from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
        from google.protobuf.struct_pb2 import Struct
        from pulumi.runtime.proto import provider_pb2

        wanted = Struct()
        wanted["name"] = "computer"
        token = "libvirt:index/getNodeDeviceInfo:getNodeDeviceInfo"  # noqa: S105 - Pulumi's word for a name
        try:
            answer = self._provider.Invoke(provider_pb2.InvokeRequest(tok=token, args=wanted), timeout=bound)
        except self._failure:
            return ""
        return _uuid(MessageToDict(getattr(answer, "return")))

    def close(self) -> None:
        self._channel.close()


def _uuid(value: Any) -> str:
    """The first `uuid` in an answer, however deep the provider's layers put it."""
    if isinstance(value, dict) and isinstance(value.get("uuid"), str):
        return str(value["uuid"])
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for part in inner if (found := _uuid(part))), "")


def _words(details: str) -> str:
    """The provider's sentence out of the errors that its layers wrap it in."""
    lines = [line.strip(" *\t") for line in details.splitlines() if line.strip() and "occurred:" not in line]
    return "; ".join(lines) or "the provider failed and said nothing"


@contextlib.contextmanager
def _started(program: Path, bound: float) -> Iterator[_Provider]:
    """The plugin, until the block ends. It is given an address to send its log to, where nobody listens."""
    command = [str(program), "127.0.0.1:9"]
    with subprocess.Popen(command, stdin=_NOTHING, stdout=subprocess.PIPE, stderr=_NOTHING) as process:
        provider = None
        try:
            provider = _Provider(_port(cast(IO[bytes], process.stdout), bound))
            yield provider
        finally:
            if provider:
                provider.close()
            process.kill()


def _port(output: IO[bytes], bound: float) -> int:
    """The first line that a plugin prints is the port that it serves."""
    text, end = b"", time.monotonic() + bound
    while not text.endswith(b"\n"):
        if not select.select([output], [], [], max(0.0, end - time.monotonic()))[0]:
            raise HypervisorError(f"the plugin did not start within {bound:.0f} s")
        part = os.read(output.fileno(), 64)
        if not part:
            raise HypervisorError("the plugin ended at once: `make tools` looks after it")
        text += part
    return int(text)


def _circumstances(uri: str) -> tuple[dict[str, str], str]:
    """What ssh makes of its configuration, and how libvirt's socket looks on the host; empty where neither is."""
    where = read_uri(uri)
    if where.way != "ssh":
        return {}, ""
    return _ssh_settings(where), _socket_state(uri)


def _ssh_settings(where: Connection) -> dict[str, str]:
    """Each setting's first value."""
    done = subprocess.run(
        ["ssh", *where.ssh_options, "-G", "--", where.login], capture_output=True, text=True, timeout=_LOOK, check=False
    )
    pairs = (line.partition(" ") for line in reversed(done.stdout.splitlines()))
    return {name: value for name, _, value in pairs}


def _socket_state(uri: str) -> str:
    commands = HostCommands(uri)
    look = ["sh", "-c", _SOCKET_STATE, "sh", commands.connection.socket or DEFAULT_SOCKET]
    try:
        return commands.run(look, timeout=_LOOK).strip()
    except HypervisorError:
        return ""
