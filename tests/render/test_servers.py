"""Servers that die, hang or vanish: what it costs until the gateway has found out, and that nobody else is harmed."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloudinit import PLATFORMS, GatewaySettings, GuestSettings, seed_documents
from tests.render.backends import Backends, serving
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import NAME, Served, network_of_its_own
from tests.render.watched import Watched, watching

GUEST = GuestSettings.model_validate({"name": "gw1", "address": "10.8.0.11/16", "mac": "52:54:00:00:00:11"})
WELL, OTHER = "127.0.0.2", "127.0.0.3"
DROPPED = "127.0.0.66"
"""Packets to it are lost on the way."""
PORT = 9001


def settings() -> GatewaySettings:
    servers = [f"{WELL}:{PORT}", f"{OTHER}:{PORT}"]
    groups: dict[str, dict[str, Any]] = {
        "dead": {"servers": servers, "health": {"intervalSeconds": 1}},
        "asked": {"servers": servers, "health": {"path": "/alive", "intervalSeconds": 1}},
        "lost": {"servers": [f"{WELL}:{PORT}", f"{DROPPED}:{PORT}"]},
        "all-dead": {"servers": ["127.0.0.4:9009", "127.0.0.5:9009"]},
        "with-backup": {"servers": ["127.0.0.4:9009", {"address": f"{WELL}:{PORT}", "backup": True}]},
        "alone": {"servers": [f"{OTHER}:{PORT}"]},
    }
    return GatewaySettings.model_validate(
        {
            "serverNames": [NAME],
            "upstreams": groups,
            "routes": [{"path": f"/{name}/", "upstream": name} for name in groups],
            "readiness": {"upstream": "dead"},
            "concurrentClients": 500,
        }
    )


@dataclass
class Gateway:
    served: Served
    watched: Watched
    backends: Backends
    other: ExitStack
    """The second server, which can be ended."""

    def ask(self, group: str, times: int = 1, method: str = "GET") -> list[tuple[int, str, float]]:
        """Status, server and seconds of each request."""
        found = []
        for _ in range(times):
            begun = time.monotonic()
            answer = self.served.ask(f"/{group}/x", method=method, body=b"order" if method == "POST" else None)
            server = json.loads(answer.body)["server"] if answer.status == 200 else ""
            found.append((answer.status, server, time.monotonic() - begun))
        return found


def lose(address: str, root: Path) -> None:
    """Packets to `address` get lost in this network from now on."""
    rules = f"table ip lost {{ chain out {{ type filter hook output priority 0; ip daddr {address} drop; }}; }}"
    subprocess.run(["chroot", root, "nft", "--file", "-"], input=rules, text=True, check=True, timeout=30)


@pytest.fixture(scope="module", params=DEBIANS)
def gateway(request: pytest.FixtureRequest, serve: Serve, roots: dict[str, Path]) -> Iterator[Gateway]:
    documents = seed_documents(GUEST, settings(), PLATFORMS[request.param])
    told = Backends()
    with (
        network_of_its_own(),
        serving(told, (WELL, PORT)),
        ExitStack() as other,
        serve(documents, request.param, told) as served,
        watching(served) as watched,
    ):
        lose(DROPPED, roots["trixie"])
        other.enter_context(serving(told, (OTHER, PORT)))
        yield Gateway(served, watched, told, other)


@pytest.mark.slow
def test_a_server_that_packets_do_not_reach_costs_the_connect_time_out_until_it_is_found(gateway: Gateway) -> None:
    early = gateway.ask("lost", 2)
    assert {status for status, _, _ in early} == {200}
    gateway.watched.until(lambda: f"{DROPPED}:{PORT} max_fails=0 down;" in gateway.watched.list("lost"), within=20)
    assert f"lost: {DROPPED}:{PORT} is down: silent for 2 s, 3 times in a row" in gateway.watched.said
    # Until its new workers are there, nginx uses the old list.
    gateway.watched.until(lambda: max(seconds for _, _, seconds in gateway.ask("lost", 4)) < 1)
    assert {(status, server) for status, server, _ in gateway.ask("lost", 4)} == {(200, WELL)}


def test_backups_answer_when_all_others_are_down(gateway: Gateway) -> None:
    gateway.watched.until(lambda: "127.0.0.4:9009 max_fails=0 down;" in gateway.watched.list("with-backup"))
    assert {(status, server) for status, server, _ in gateway.ask("with-backup", 4)} == {(200, WELL)}


def test_when_no_server_answers_none_is_left_out(gateway: Gateway) -> None:
    gateway.watched.until(lambda: any("all-dead: no server answers" in line for line in gateway.watched.said))
    assert "down" not in gateway.watched.list("all-dead")
    assert gateway.ask("all-dead")[0][0] == 502
    assert gateway.ask("dead")[0][0] == 200


def test_a_server_that_hangs_is_found_where_a_path_is_asked_for(gateway: Gateway) -> None:
    assert "down" not in gateway.watched.list("asked")
    gateway.backends.hung.add(OTHER)
    took = gateway.watched.until(
        lambda: f"{OTHER}:{PORT} max_fails=0 down;" in gateway.watched.list("asked"), within=40
    )
    gateway.backends.hung.clear()
    assert any(f"asked: {OTHER}:{PORT} is down: silent for 1 s" in line for line in gateway.watched.said), took
    gateway.watched.until(lambda: "down" not in gateway.watched.list("asked"), within=40)
    assert f"asked: {OTHER}:{PORT} is up again" in gateway.watched.said


def test_a_dead_server_costs_no_request_and_is_left_out_when_it_was_found(gateway: Gateway) -> None:
    gateway.other.close()
    ended, found = threading.Event(), list[tuple[int, str, float]]()

    def ask() -> None:
        while not ended.is_set():
            found.extend(gateway.ask("dead") + gateway.ask("dead", method="POST"))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    gateway.watched.until(lambda: f"{OTHER}:{PORT} max_fails=0 down;" in gateway.watched.list("dead"), within=60)
    time.sleep(0.5)
    ended.set()
    asking.join(20)
    assert {(status, server) for status, server, _ in found} == {(200, WELL)}
    assert [
        line for line in gateway.watched.said if line.startswith(f"dead: {OTHER}:{PORT} is down: connection refused")
    ]
    posts = [address for address, method, path in gateway.backends.asked if (method, path) == ("POST", "/dead/x")]
    assert len(posts) == len(found) // 2, "no POST was sent twice"
    assert gateway.ask("alone")[0][0] == 502, "a server that is alone is asked by every request"
