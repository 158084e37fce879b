"""What one client's requests meet harms nobody else: each cause for which nginx would call a server dead.

Reported of other gateways: an answer whose head is too large made a whole API unavailable (api.data.gov #461,
EasyAuthForK8s #79).
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudinit import PATHS, PLATFORMS, GatewaySettings, GuestFile, seed_documents
from tests.render.backends import Backends
from tests.render.conftest import DEBIANS, Serve
from tests.render.misbehaving import ADDRESSES, GRPC_PORT, HTTP_PORT, misbehaving
from tests.render.served import GUEST, NAME, Served, network_of_its_own

TIMES = 6
"""Three for each of two servers: as many as the usual `max_fails=3` takes."""


@dataclass(frozen=True)
class Row:
    name: str
    group: str
    deed: str
    status: int
    kind: str = "http"
    body: int = 0

    def path(self, deed: str) -> str:
        return f"/{self.group}/{deed}"


TABLE = yaml.safe_load(Path(__file__).with_name("failures.yaml").read_text())
ROWS = [Row(name, f"row-{number}", **row) for number, (name, row) in enumerate(TABLE.items())]


def settings() -> GatewaySettings:
    """A group and a route for each row, and for heads of the largest sizes that pass."""
    groups: dict[str, Any] = {}
    routes = []
    heads = [Row("", "heads", "", 200), Row("", "calls", "", 200, "grpc"), Row("", "wide", "", 200)]
    for row in (*ROWS, *heads):
        port = GRPC_PORT if row.kind == "grpc" else HTTP_PORT
        groups[row.group] = {"servers": [f"{address}:{port}" for address in ADDRESSES]}
        routes.append({"path": f"/{row.group}/", "upstream": row.group, "kind": row.kind, "maxBodyMegabytes": 10})
        routes[-1] |= {"readTimeoutSeconds": 1, "sendTimeoutSeconds": 1}
    groups["wide"]["responseHeadKilobytes"] = 64
    return GatewaySettings.model_validate(
        {
            "serverNames": [NAME],
            "upstreams": groups,
            "routes": routes,
            "readiness": {"upstream": ROWS[0].group},
            "concurrentClients": 500,
        }
    )


def post(served: Served, path: str, body: int) -> int:
    """By curl over HTTP/2, which sends what it can even when the answer comes early; the status."""
    words = ("--silent", "--max-time", "20", "--output", "/dev/null", "--write-out", "%{http_code}")
    trust = ("--cacert", str(served.authority), "--resolve", f"{NAME}:443:127.0.0.1")
    told = ("--header", "Content-Type: application/grpc", "--header", "TE: trailers", "--data-binary", "@-")
    done = subprocess.run(
        ["curl", *words, *trust, *told, f"https://{NAME}{path}"], input=b"\0" * body, capture_output=True, timeout=60
    )
    return int(done.stdout)


def ask(served: Served, row: Row, deed: str) -> int:
    if row.body:
        return post(served, row.path(deed), row.body)
    if row.kind == "websocket":
        return served.ask(row.path(deed), Connection="Upgrade", Upgrade="websocket").status
    return served.ask(row.path(deed)).status


def together(served: Served, row: Row, deed: str) -> set[int]:
    """The statuses of as many requests at once as would take two servers down."""
    with ThreadPoolExecutor(TIMES) as pool:
        return set(pool.map(lambda _: ask(served, row, deed), range(TIMES)))


@pytest.fixture(scope="module", params=DEBIANS)
def gateway(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    documents = seed_documents(GUEST, settings(), PLATFORMS[request.param])
    with network_of_its_own(), misbehaving(), serve(documents, request.param, Backends()) as served:
        yield served


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_one_client_meets_takes_no_server_from_the_others(gateway: Served, row: Row) -> None:
    assert together(gateway, row, row.deed) == {row.status}
    assert together(gateway, row, "good") == {200}


@pytest.mark.slow
def test_counted_by_nginx_each_of_them_would(serve: Serve) -> None:
    """What the table is worth."""
    documents = seed_documents(GUEST, settings(), PLATFORMS["debian-13"])
    counted = {
        path: GuestFile(file.content.replace("max_fails=0", "max_fails=3 fail_timeout=60s"))
        for path, file in documents.files.items()
        if path.startswith(f"{PATHS.declared_upstreams}/")
    }
    changed = dataclasses.replace(documents, files={**documents.files, **counted})
    with network_of_its_own(), misbehaving(), serve(changed, "debian-13", Backends()) as served:
        with ThreadPoolExecutor(len(ROWS)) as pool:
            list(pool.map(lambda row: together(served, row, row.deed), ROWS))
        assert [row.name for row in ROWS if together(served, row, "good") == {200}] == []


@pytest.mark.parametrize("path", ["/heads/head-of-28k", "/wide/head-of-60k"])
def test_an_answer_with_a_large_head_passes(gateway: Served, path: str) -> None:
    answer = gateway.ask(path)
    assert answer.status == 200
    assert len(answer.headers["x-filler-27"]) == 1000


def test_a_grpc_answer_with_a_large_head_passes(gateway: Served) -> None:
    assert post(gateway, "/calls/head-of-28k", 5) == 200


@pytest.mark.parametrize("kibibytes", [0.5, 3, 31])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_request_may_bring_back_what_an_answer_may_set(gateway: Served, version: str, kibibytes: float) -> None:
    """By default: as long a line as the largest head of an answer, which is 64 KiB here."""
    assert with_cookie(gateway, version, kibibytes) == "200"


# HTTP/2 has no answer for it: nginx ends the connection.
@pytest.mark.parametrize(("version", "said"), [("--http1.1", "400"), ("--http2", "000")])
def test_a_request_with_too_large_a_head_is_refused_alone(gateway: Served, version: str, said: str) -> None:
    assert with_cookie(gateway, version, 65) == said
    assert with_cookie(gateway, version, 1) == "200"


def with_cookie(served: Served, version: str, kibibytes: float) -> str:
    trust = ("--cacert", str(served.authority), "--resolve", f"{NAME}:443:127.0.0.1")
    told = ("--silent", "--output", "/dev/null", "--write-out", "%{http_code}", version, "--header", "@-")
    command = ["curl", *trust, *told, f"https://{NAME}/heads/x"]
    cookie = f"Cookie: {'c' * int(kibibytes * 1024)}"
    return subprocess.run(command, input=cookie, capture_output=True, text=True, timeout=60).stdout
