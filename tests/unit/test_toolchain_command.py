"""The command plugin behaves as pulumi-command 1.2.1 does; driven as the engine drives it, over gRPC."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from toolchain.plugins import PLUGINS

_URN = "urn:pulumi:stack::project::command:local:Command::probe"


class _Engine(engine_pb2_grpc.EngineServicer):
    """What the plugin sees of the engine: a place to log to."""

    def __init__(self) -> None:
        self.logged: list[str] = []

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        self.logged.append(request.message)
        return empty_pb2.Empty()


class _Plugin:
    """The plugin, in the engine's words; properties are plain Python values."""

    def __init__(self, channel: grpc.Channel, engine: _Engine):
        self._rpc = provider_pb2_grpc.ResourceProviderStub(channel)
        self.engine = engine

    def configure(self) -> None:
        self._rpc.Configure(provider_pb2.ConfigureRequest(acceptSecrets=True, acceptResources=True))

    def check(self, **inputs: Any) -> list[str]:
        request = provider_pb2.CheckRequest(urn=_URN, news=_struct(inputs))
        return [failure.reason for failure in self._rpc.Check(request).failures]

    def create(self, **inputs: Any) -> dict[str, Any]:
        return _plain(self.create_later(**inputs).result().properties)

    def preview(self, **inputs: Any) -> None:
        self._rpc.Create(provider_pb2.CreateRequest(urn=_URN, properties=_struct(inputs), preview=True))

    def create_later(self, **inputs: Any) -> grpc.Future:
        return self._rpc.Create.future(provider_pb2.CreateRequest(urn=_URN, properties=_struct(inputs)))

    def update(self, state: dict[str, Any], **inputs: Any) -> dict[str, Any]:
        request = provider_pb2.UpdateRequest(id="probe", urn=_URN, olds=_struct(state), news=_struct(inputs))
        return _plain(self._rpc.Update(request).properties)

    def delete(self, state: dict[str, Any]) -> None:
        self._rpc.Delete(provider_pb2.DeleteRequest(id="probe", urn=_URN, properties=_struct(state)))

    def cancel(self) -> None:
        self._rpc.Cancel(empty_pb2.Empty())


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(struct))


@pytest.fixture
def start() -> Iterator[Callable[[], _Plugin]]:
    """Starts a plugin of its own, with an engine to log to."""
    engine, server = _Engine(), grpc.server(ThreadPoolExecutor())
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    program = next(plugin.installed for plugin in PLUGINS if plugin.name == "command")
    with subprocess.Popen([program, f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        channel = grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}")

        def ready() -> _Plugin:
            plugin = _Plugin(channel, engine)
            plugin.configure()
            return plugin

        yield ready
        channel.close()
        process.kill()
    server.stop(None)


@pytest.fixture
def plugin(start: Callable[[], _Plugin]) -> _Plugin:
    return start()


def test_create_runs_the_command_and_records_what_it_printed(plugin: _Plugin) -> None:
    state = plugin.create(create="echo out; echo err >&2")
    assert (state["stdout"], state["stderr"]) == ("out", "err")
    assert state["create"] == "echo out; echo err >&2"


def test_a_preview_runs_nothing(plugin: _Plugin, tmp_path: Path) -> None:
    plugin.preview(create=f"touch {tmp_path}/ran")
    assert not list(tmp_path.iterdir())


def test_a_command_that_fails_fails_the_resource_and_shows_its_errors(plugin: _Plugin) -> None:
    with pytest.raises(grpc.RpcError, match="the disk is on fire") as failure:
        plugin.create(create="echo begun; echo the disk is on fire >&2; exit 3")
    assert "exit status 3" in failure.value.details()
    assert "begun\n" in failure.value.details()


def test_stdin_environment_directory_and_interpreter_reach_the_command(plugin: _Plugin, tmp_path: Path) -> None:
    state = plugin.create(
        create="import os, sys; print(os.getcwd(), os.environ['GREETING'], sys.stdin.read())",
        stdin="typed",
        environment={"GREETING": "hello"},
        dir=str(tmp_path),
        interpreter=["python3", "-c"],
    )
    assert state["stdout"] == f"{tmp_path} hello typed"


def test_a_folder_that_does_not_exist_fails_the_resource(plugin: _Plugin) -> None:
    with pytest.raises(grpc.RpcError, match="no such file or directory"):
        plugin.create(create="true", dir="/nowhere")


def test_an_update_runs_the_update_command(plugin: _Plugin) -> None:
    state = plugin.create(create="echo created", update="echo updated")
    assert plugin.update(state, create="echo created", update="echo updated", stdin="new")["stdout"] == "updated"


def test_an_update_without_update_command_runs_create_again(plugin: _Plugin) -> None:
    state = plugin.create(create="echo one")
    assert plugin.update(state, create="echo two")["stdout"] == "two"


def test_a_failed_update_shows_its_errors(plugin: _Plugin) -> None:
    state = plugin.create(create="true")
    with pytest.raises(grpc.RpcError, match="not today"):
        plugin.update(state, create="echo not today >&2; false")


def test_the_next_command_sees_what_the_last_one_printed(plugin: _Plugin) -> None:
    show = 'echo "$PULUMI_COMMAND_STDOUT/$PULUMI_COMMAND_STDERR"'
    state = plugin.create(create="echo out; echo err >&2", update=show)
    assert plugin.update(state, create="true", update=show)["stdout"] == "out/err"
    assert plugin.update(state, create="true", update=show, addPreviousOutputInEnv=False)["stdout"] == "/"


def test_delete_runs_the_delete_command_that_was_recorded(plugin: _Plugin, tmp_path: Path) -> None:
    state = plugin.create(create="echo made", delete=f'echo "$PULUMI_COMMAND_STDOUT" > {tmp_path}/deleted')
    assert not list(tmp_path.iterdir())
    plugin.delete(state)
    assert (tmp_path / "deleted").read_text() == "made\n"


def test_without_commands_nothing_happens(plugin: _Plugin) -> None:
    state = plugin.create(triggers=["only"])
    plugin.delete(plugin.update(state, triggers=["only"], stdin="new"))


@pytest.mark.parametrize(
    ("logging", "shown"),
    [
        (None, {"out", "err"}),
        ("stdoutAndStderr", {"out", "err"}),
        ("stdout", {"out"}),
        ("stderr", {"err"}),
        ("none", set()),
    ],
)
def test_lines_show_on_the_screen_as_logging_asks(plugin: _Plugin, logging: str | None, shown: set[str]) -> None:
    state = plugin.create(create="echo out; printf err >&2", **({"logging": logging} if logging else {}))
    assert set(plugin.engine.logged) == shown
    assert (state["stdout"], state["stderr"]) == ("out", "err")


def test_lines_show_while_the_command_runs(plugin: _Plugin, tmp_path: Path) -> None:
    later = plugin.create_later(create=f"echo first; until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo last")
    _await(lambda: plugin.engine.logged == ["first"], "the first line")
    (tmp_path / "go").touch()
    assert _plain(later.result(10).properties)["stdout"] == "first\nlast"


def test_a_very_long_line_is_kept_whole(plugin: _Plugin) -> None:
    state = plugin.create(create="head -c 1000000 /dev/zero | tr '\\0' x")
    assert len(state["stdout"]) == 1_000_000


def test_cancelling_ends_the_command_and_its_children(plugin: _Plugin, tmp_path: Path) -> None:
    later = plugin.create_later(create=f"(sleep 60 & echo $! > {tmp_path}/child; wait) | cat")
    child = tmp_path / "child"
    _await(lambda: child.exists() and bool(child.read_text()), "the child's number")
    plugin.cancel()
    with pytest.raises(grpc.RpcError):
        later.result(10)
    _await(lambda: not Path(f"/proc/{child.read_text().strip()}/cmdline").exists(), "the child's end")


@pytest.mark.parametrize("only_published", ["assetPaths", "archivePaths"])
def test_what_only_the_published_plugin_does_is_refused(plugin: _Plugin, only_published: str) -> None:
    assert plugin.check(create="true") == []
    assert plugin.check(create="true", **{only_published: ["*"]}) == [
        "only the published plugin serves it: install that with PLUGINS=official"
    ]


def _await(happened: Callable[[], bool], what: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)
