"""gRPC for tests: a server that sends back or counts what comes, and clients that are processes of their own.

A client's threads outlive it in gRPC's library, and with them the network that they were started in.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]

from cloudinit import PLATFORMS, GatewaySettings, seed_documents
from tests.render.backends import started
from tests.render.conftest import Serve
from tests.render.served import GUEST, NAME, Served, network_of_its_own

ADDRESS = "127.0.0.4:50051"

Metadata = list[tuple[str, str]]


@contextmanager
def echoing(unary: Any = None) -> Iterator[None]:
    """The server, until the block ends. `unary` answers calls of Reverse."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    handlers = {
        "Echo": grpc.stream_stream_rpc_method_handler(_echo),
        "Talk": grpc.stream_stream_rpc_method_handler(_echo),
        "Count": grpc.stream_unary_rpc_method_handler(_count),
        "Sum": grpc.stream_unary_rpc_method_handler(_count),
    }
    if unary:
        handlers["Reverse"] = grpc.unary_unary_rpc_method_handler(unary)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("calls.Service", handlers),))
    server.add_insecure_port(ADDRESS)
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait(5)


@contextmanager
def serving_calls(serve: Serve, gateway: GatewaySettings, platform: str) -> Iterator[Served]:
    """The gateway, in a network of its own with the backends and this server."""
    documents = seed_documents(GUEST, gateway, PLATFORMS[platform])
    with network_of_its_own(), started() as backends, echoing(), serve(documents, platform, backends) as served:
        yield served


@contextmanager
def clients() -> Iterator[futures.Executor]:
    """Runs the functions below in a process that sees the network of this thread."""
    with futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def survivors(authority: bytes, cases: list[tuple[str, float]]) -> list[bool]:
    """For each method and pause, all at once: whether a stream of calls survives it."""
    with futures.ThreadPoolExecutor(len(cases)) as pool:
        return list(pool.map(lambda case: converse(authority, *case), cases))


def converse(authority: bytes, method: str, pause: float) -> bool:
    """Whether a stream of calls survives a client that is silent for so long."""

    def messages() -> Iterator[bytes]:
        yield b"first"
        time.sleep(pause)
        yield b"last"

    with _channel(authority) as channel:
        try:
            answers = list(channel.stream_stream(f"/calls.Service/{method}")(messages(), timeout=pause + 10))
        except grpc.RpcError:
            return False
    return answers == [b"first", b"last"]


def count(authority: bytes, method: str, messages: int, size: int) -> str:
    """What the server counts of so many messages of that size, or what the client is told instead."""
    with _channel(authority) as channel:
        try:
            counted = channel.stream_unary(f"/calls.Service/{method}")(
                (bytes(size) for _ in range(messages)), timeout=20
            )
        except grpc.RpcError as error:
            return str(error.details())
    return bytes(counted).decode()


def reverse(authority: bytes, named: str, calls: list[Metadata]) -> list[Metadata]:
    """What each answer to a call with such metadata says, of a client that names the gateway so."""
    told = []
    with _channel(authority, named) as channel:
        for metadata in calls:
            said, call = channel.unary_unary("/calls.Service/Reverse").with_call(
                b"hello", timeout=10, metadata=metadata
            )
            assert said == b"olleh"
            told.append([(str(name), str(value)) for name, value in call.initial_metadata()])
    return told


@contextmanager
def _channel(authority: bytes, named: str = NAME) -> Iterator[Any]:
    trust = grpc.ssl_channel_credentials(authority)
    options = [
        ("grpc.ssl_target_name_override", NAME),
        ("grpc.default_authority", named),
        ("grpc.enable_http_proxy", 0),
    ]
    with grpc.secure_channel("127.0.0.1:443", trust, options) as channel:
        yield channel


def _count(messages: Iterator[bytes], _: Any) -> bytes:
    return str(sum(map(len, messages))).encode()


def _echo(messages: Iterator[bytes], _: Any) -> Iterator[bytes]:
    yield from messages
