"""The profiles of the smoke check, end to end against the rendered gateway."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudinit import PLATFORMS, GatewaySettings, seed_documents
from smoke import wrk
from smoke.cli import main
from tests.render.backends import Backends
from tests.render.conftest import DEBIANS, Serve
from tests.render.instant import ADDRESS, upstream
from tests.render.served import GUEST, NAME, Served, network_of_its_own

MEMORY_MIB = 500
"""For the gateway with 10,000 clients connected by TLS."""
GATEWAY = GatewaySettings.model_validate(
    {
        "serverNames": [NAME],
        "upstreams": {"api": {"servers": [ADDRESS]}},
        "routes": [{"path": "/", "upstream": "api"}],
        "concurrentClients": 10_000,
    }
)


@pytest.fixture(params=DEBIANS)
def gateway(request: pytest.FixtureRequest, serve: Serve, roots: dict[str, Path], tmp_path: Path) -> Iterator[Served]:
    tmp_path.chmod(0o755)
    documents = seed_documents(GUEST, GATEWAY, PLATFORMS[request.param])
    with (
        network_of_its_own(),
        upstream(roots["bookworm"], tmp_path / "upstream"),
        serve(documents, request.param, Backends()) as served,
    ):
        yield served


def checked(gateway: Served, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The report of `python -m smoke` with these words."""
    target = ["--target", f"https://{NAME}", "--connect", "127.0.0.1:443", "--cafile", str(gateway.authority)]
    main([*target, "--path", "/", "--json", *words])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


@pytest.mark.long
def test_wrk_is_answered_by_a_gateway_that_knows_only_its_own_name(
    gateway: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrk, "_WORDS", ("wrk", "-t2", "-c400", "-d3s", "--latency"))
    report = checked(gateway, capsys, "--profile", "sources-wrk")
    found = {line["what"]: line["found"] for line in report["lines"] if line["verdict"] == "shown"}
    assert (report["verdict"], report.get("problem")) == ("pass", None)
    assert float(found["wrk answers"].removesuffix("/s")) > 0
    assert {"wrk p50", "wrk p75", "wrk p90", "wrk p99"} <= found.keys()
    assert "wrk non-2xx or 3xx responses" not in found


def memory_mib(gateway: Served) -> float:
    """Of all the gateway's processes, what they share counted once."""
    inside = ["pgrep", "--ns", str(gateway.process), "--nslist", "pid"]
    found = subprocess.run(inside, capture_output=True, text=True, check=True, timeout=10).stdout.split()
    rollups = [Path(f"/proc/{process}/smaps_rollup").read_text() for process in found]
    return sum(int(kib) for text in rollups for kib in re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)) / 1024


@pytest.mark.long
def test_ten_thousand_connections_are_held_and_answered(gateway: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Over HTTP/1.1, each of them a handshake and a connection of its own."""
    begun = time.monotonic()
    most = 0.0
    watching = threading.Event()

    def watch() -> None:
        nonlocal most
        while not watching.wait(2):
            most = max(most, memory_mib(gateway))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        report = checked(gateway, capsys, "--profile", "10k", "--protocol", "http/1.1")
    finally:
        watching.set()
        watcher.join()
    assert report.get("problem") is None
    (series,) = report["series"]
    print(f"\n{time.monotonic() - begun:.0f} s, {most:.0f} MiB, {series['latency']}")
    assert (series["connections"], series["sent"], series["errors"]) == (10_000, 30_000, {})
    lines = {line["what"]: line["verdict"] for line in series["lines"]}
    assert lines["connections lost"] == "pass"
    assert "connections" not in lines, "the hard limit of open files allows them all"
    assert most < MEMORY_MIB
