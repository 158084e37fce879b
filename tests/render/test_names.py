"""Upstream servers by name: found while the gateway runs, and a name that is unknown harms its own group alone.

Reported of other gateways: one name that does not resolve stops nginx for all (NPMplus #3485).
"""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from cloudinit import PLATFORMS, GatewaySettings, GuestSettings, seed_documents
from tests.render.backends import Backends, serving
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import NAME, Served, network_of_its_own
from tests.render.watched import Dns, Watched, dns, inside, watching

RESOLVER, FIRST, SECOND, THIRD = "10.8.0.53", "10.8.1.1", "10.8.1.2", "10.8.1.3"
GUEST = GuestSettings.model_validate(
    {"name": "gw1", "address": "10.8.0.11/16", "mac": "52:54:00:00:00:11", "resolvers": [RESOLVER]}
)
UNKNOWN = 502


def settings() -> GatewaySettings:
    groups = {
        "fixed": {"servers": [f"{FIRST}:9001"]},
        "named": {"servers": ["a.example.test:9001"]},
        "aliased": {"servers": ["alias.example.test:9001"]},
        "mixed": {"servers": [f"{FIRST}:9001", "none.example.test:9001"]},
        "unknown": {"servers": ["none.example.test:9001"]},
        "own": {"servers": ["loop.example.test:9001"]},
    }
    return GatewaySettings.model_validate(
        {
            "serverNames": [NAME],
            "upstreams": groups,
            "routes": [{"path": f"/{name}/", "upstream": name} for name in groups],
            "readiness": {"upstream": "fixed"},
            "concurrentClients": 500,
        }
    )


@dataclass(frozen=True)
class Gateway:
    served: Served
    dns: Dns
    watched: Watched

    def status(self, group: str) -> int:
        return self.served.ask(f"/{group}/x").status

    def server(self, group: str) -> str:
        answer = self.served.ask(f"/{group}/x")
        return json.loads(answer.body)["server"] if answer.status == 200 else str(answer.status)


@contextmanager
def addresses(*more: str) -> Iterator[None]:
    """Of this network's loopback device, none of them in 127.0.0.0/8: no server's name may lead there."""
    for address in more:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    yield


@pytest.fixture(scope="module", params=DEBIANS)
def gateway(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Gateway]:
    documents = seed_documents(GUEST, settings(), PLATFORMS[request.param])
    told = Backends()
    zone = {"a_example_test": [FIRST], "alias_example_test": ["b.example.test"], "b_example_test": [FIRST, SECOND]}
    with (
        network_of_its_own(),
        addresses(RESOLVER, FIRST, SECOND, THIRD),
        serving(told, *((address, 9001) for address in (FIRST, SECOND, THIRD, "127.0.0.1"))),
        dns(RESOLVER, **zone, loop_example_test=["127.0.0.1"]) as names,
        serve(documents, request.param, told) as served,
    ):
        assert served.ask("/fixed/x").status == 200, "nginx starts, and serves, before any name is known"
        assert served.ask("/named/x").status == UNKNOWN
        with watching(served) as watched:
            yield Gateway(served, names, watched)


def test_a_name_is_found_and_one_that_is_unknown_harms_its_own_group_alone(gateway: Gateway) -> None:
    # Until all of nginx's new workers are there, old ones answer too.
    gateway.watched.until(lambda: {gateway.status("named") for _ in range(10)} == {200})
    assert {gateway.server("aliased") for _ in range(20)} == {FIRST, SECOND}, "all addresses behind an alias"
    assert gateway.status("unknown") == UNKNOWN
    assert gateway.status("mixed") == gateway.status("fixed") == 200
    assert "none.example.test does not exist in DNS: no server" in gateway.watched.said


def test_a_name_that_leads_to_the_gateway_itself_is_not_followed(gateway: Gateway) -> None:
    assert gateway.status("own") == UNKNOWN
    assert "127.0.0.1" not in gateway.watched.list("own")
    assert any(
        "loop.example.test is 127.0.0.1 in DNS, which no server can have" in line for line in gateway.watched.said
    )


def test_an_address_that_changes_is_followed_by_its_time_to_live(gateway: Gateway) -> None:
    gateway.dns.zone["a.example.test"] = [THIRD]
    took = gateway.watched.until(lambda: gateway.server("named") == THIRD)
    assert took < 12, "the time to live is 1 s, and a name is asked for every five at most"
    assert f"a.example.test is {THIRD}, was {FIRST}" in gateway.watched.said


def test_a_name_that_appears_later_is_found(gateway: Gateway) -> None:
    gateway.dns.zone["none.example.test"] = [SECOND]
    gateway.watched.until(lambda: gateway.status("unknown") == 200)


def test_what_was_known_is_used_while_no_resolver_answers(gateway: Gateway) -> None:
    gateway.dns.silent = True
    said = f"a.example.test no resolver answers (LifetimeTimeout): {THIRD} still used"
    gateway.watched.until(lambda: said in gateway.watched.said)
    assert (gateway.server("named"), gateway.status("fixed")) == (THIRD, 200)


def test_what_was_known_is_used_after_a_restart_without_a_resolver(gateway: Gateway) -> None:
    """As after a restart of the guest, while no resolver answers yet."""
    state = gateway.served.site.folder / "run/state/known.json"
    assert json.loads(state.read_text())["a.example.test"] == [THIRD]
    with watching(gateway.served) as again:
        again.until(lambda: any("no resolver answers" in line for line in again.said))
        assert gateway.server("named") == THIRD


def test_a_resolver_may_have_an_ipv6_address_and_so_may_a_server(gateway: Gateway) -> None:
    subprocess.run(["ip", "address", "add", "fd00::53/128", "dev", "lo", "nodad"], check=True)
    program = "from watcher.questions import addresses_of; print(addresses_of('v6.example', ['fd00::53'], (6,)))"
    with dns("fd00::53", v6_example=["fd00::1:1", "10.8.1.1", "::1"]):
        done = subprocess.run(inside(gateway.served, "-c", program), capture_output=True, text=True, timeout=60)
    assert done.stdout == "(['fd00::1:1'], 1)\n", done.stderr


def test_no_request_is_lost_while_nginx_reads_other_servers(gateway: Gateway) -> None:
    ended, statuses = threading.Event(), list[int]()
    # Most of the time each client has a request on its way.
    gateway.served.backends.delay = 0.03

    def ask() -> None:
        while not ended.is_set():
            client = http.client.HTTPSConnection("127.0.0.1", context=gateway.served.context(), timeout=10)
            client.sock = gateway.served.tls(gateway.served.context())
            asked = 0
            while not ended.is_set():
                try:
                    client.request("GET", "/fixed/x", headers={"Host": NAME})
                    answer = client.getresponse()
                except (http.client.RemoteDisconnected, ConnectionError):
                    # Closed while it was idle: as every client does, on a new one. A new one is never closed so.
                    statuses.append(200 if asked else 0)
                    break
                answer.read()
                statuses.append(answer.status)
                asked += 1
                if answer.headers.get("Connection") == "close":
                    break
            client.close()

    told = ("--http2", "--silent", "--rate", "100/s", "--output", "/dev/null", "--write-out", "%{http_code}\n")
    trust = ("--cacert", str(gateway.served.authority), "--resolve", f"{NAME}:443:127.0.0.1")
    many = subprocess.Popen(["curl", *told, *trust, f"https://{NAME}/fixed/[1-100]"], stdout=subprocess.PIPE, text=True)
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    wanted = gateway.served.site.folder / "run/nordgate-upstreams/wanted.json"
    kept = wanted.read_text()
    for other in (FIRST, SECOND, THIRD):
        time.sleep(0.8)
        found = json.loads(kept)
        found["aliased"]["addresses"] = {"alias.example.test": [other]}
        wanted.write_text(json.dumps(found))
        gateway.watched.until(lambda other=other: other in gateway.watched.list("aliased"))  # type: ignore[misc]
    said, _ = many.communicate(timeout=60)
    ended.set()
    asking.join(20)
    assert set(statuses) == {200}
    assert len(statuses) > 20
    gateway.served.backends.delay = 0
    # What was sent while nginx closed an idle HTTP/2 connection is the client's to send again: once for each reload.
    answered = [status for status in said.split() if status != "000"]
    assert (set(answered), len(answered) >= 97) == ({"200"}, True)
