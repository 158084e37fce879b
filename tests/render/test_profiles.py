"""The profiles of the smoke check, end to end against the rendered gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudinit import PLATFORMS, GatewaySettings, seed_documents
from smoke import wrk
from smoke.cli import main
from tests.render.backends import Backends
from tests.render.conftest import Serve
from tests.render.instant import ADDRESS, upstream
from tests.render.served import GUEST, NAME, Served, network_of_its_own

GATEWAY = GatewaySettings.model_validate(
    {
        "serverNames": [NAME],
        "upstreams": {"api": {"servers": [ADDRESS]}},
        "routes": [{"path": "/", "upstream": "api"}],
    }
)


@pytest.fixture(params=["debian-12", "debian-13"])
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
