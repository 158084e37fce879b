"""What the access log leaves out, and whom it names as the client behind trusted proxies."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudinit import PATHS, PLATFORMS, GatewaySettings, seed_documents
from tests.render.backends import started
from tests.render.conftest import DEBIANS, Serve
from tests.render.served import GUEST, NAME, Served, network_of_its_own

PROXY, SECOND_PROXY, STRANGER = "127.0.0.77", "127.0.1.9", "127.0.0.78"
CLIENT, FORGED = "198.51.100.7", "203.0.113.66"
GATEWAY = GatewaySettings.model_validate(
    {
        "serverNames": [NAME],
        "upstreams": {"api": {"servers": ["127.0.0.2:9001"]}},
        "routes": [{"path": "/", "upstream": "api"}],
        "trustedProxies": [f"{PROXY}/32", "127.0.1.0/24"],
        "rateLimit": {"requestsPerSecond": 1, "burst": 4, "connections": 100},
        "log": {"flushSeconds": 1, "audit": True},
        "concurrentClients": 500,
    }
)
QUIET = ("/favicon.ico", "/robots.txt", "/health")
LOGGED = ("/favicon.ico/x", "/v1/robots.txt", "/healthy", "/x")


@pytest.fixture(scope="module", params=DEBIANS)
def logging(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    documents = seed_documents(GUEST, GATEWAY, PLATFORMS[request.param])
    with network_of_its_own(), started() as backends, serve(documents, request.param, backends) as gateway:
        yield gateway


def curl(served: Served, path: str, source: str, *claims: str) -> tuple[int, dict[str, str]]:
    """The status, and the headers that the upstream saw."""
    words = ["curl", "--silent", "--max-time", "20", "--cacert", str(served.authority), "--interface", source]
    words += ["--connect-to", "::127.0.0.1:443", "--write-out", "\n%{http_code}"]
    words += [word for claim in claims for word in ("--header", claim)]
    done = subprocess.run([*words, f"https://{NAME}{path}"], capture_output=True, text=True, check=True, timeout=30)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)["headers"] if body.startswith('{"server"') else {}


def lines(served: Served, last: str, name: str = "access.json") -> list[dict[str, str]]:
    """The log, once it has a line of the path `last`."""
    log = served.site.folder / Path(PATHS.log.lstrip("/")) / name
    deadline = time.monotonic() + 15
    while True:
        found = [json.loads(line) for line in log.read_text().splitlines()]
        if any(line["uri"] == last for line in found):
            return found
        assert time.monotonic() < deadline, f"{last} is not in {log}"
        time.sleep(0.1)


def test_what_browsers_and_monitors_ask_for_is_not_logged_and_all_else_is(logging: Served) -> None:
    for number, path in enumerate((*QUIET, *LOGGED)):
        curl(logging, path, PROXY, f"X-Forwarded-For: 198.51.100.{100 + number}")
        curl(logging, f"{path}?query=1", PROXY, f"X-Forwarded-For: 198.51.100.{100 + number}")
    curl(logging, "/first-is-done", PROXY, "X-Forwarded-For: 198.51.100.200")
    seen = {line["uri"].partition("?")[0] for line in lines(logging, "/first-is-done")}
    assert seen & {*QUIET, *LOGGED} == set(LOGGED)
    audit = {line["uri"].partition("?")[0] for line in lines(logging, "/first-is-done", "audit.json")}
    assert audit >= {*QUIET, *LOGGED}, "an audit leaves nothing out"


@pytest.mark.parametrize(
    ("source", "chain", "client"),
    [
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"{FORGED}, {CLIENT}", CLIENT),
        (PROXY, f"{CLIENT}, {SECOND_PROXY}", CLIENT),
        (PROXY, "not an address", PROXY),
        (PROXY, "", PROXY),
        (STRANGER, CLIENT, STRANGER),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(
    logging: Served, source: str, chain: str, client: str
) -> None:
    path = f"/chain/{source}/{chain.replace(' ', '-').replace(',', '')}"
    status, upstream = curl(logging, path, source, f"X-Forwarded-For: {chain}")
    assert status == 200
    assert upstream["X-Real-IP"] == client
    passed_on = chain if source == PROXY and chain else ""
    assert upstream["X-Forwarded-For"] == (f"{passed_on}, {source}" if passed_on else client)
    assert [line["client"] for line in lines(logging, path) if line["uri"] == path] == [client]


def test_each_client_behind_a_trusted_proxy_has_a_limit_of_its_own(logging: Served) -> None:
    many = [curl(logging, "/many", PROXY, "X-Forwarded-For: 192.0.2.1")[0] for _ in range(12)]
    assert 429 in many
    assert curl(logging, "/one", PROXY, "X-Forwarded-For: 192.0.2.2")[0] == 200


def test_a_stranger_escapes_no_limit_by_naming_other_clients(logging: Served) -> None:
    stranger = "127.0.0.79"
    many = [curl(logging, "/m", stranger, f"X-Forwarded-For: 192.0.2.{number}")[0] for number in range(12)]
    assert 429 in many
