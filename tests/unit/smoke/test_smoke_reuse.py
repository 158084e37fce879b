"""Upstream connections that are used again: counted, also where others open some, or the log is long."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from nordgate.errors import TargetError
from nordgate.hypervisor.agent import GuestAgent
from smoke import reuse
from smoke.http1 import Reply, Target
from smoke.verdict import Line, Verdict


class Gateway:
    """Opens so many connections while it is looked at, each time, and logs each request and others' besides."""

    label = "gateway:443"

    def __init__(self, log: Path, opens: Sequence[int], connect_time: str = "0.000") -> None:
        self.log, self.opens, self.connect_time = log, list(opens), connect_time
        self.log.write_bytes(b'{"request_id": "cut off by a lo' + bytes(500) + b"\n")
        self.opened, self.looks, self.asked = 0, 0, 0
        self.status, self.dies_after, self.logs, self.names = 200, 1000, True, True

    # as the guest agent
    def read_file(self, _path: str) -> bytes:
        if self.looks % 2:
            self.opened += self.opens[self.looks // 2]
        self.looks += 1
        return f"Ip: Forwarding\nIp: 1\nTcp: MaxConn ActiveOpens\nTcp: -1 {self.opened}\n".encode()

    def exec(self, words: Sequence[str], timeout: float) -> Any:
        script = words[2].replace("/run/nginx.pid", str(self.log.with_name("none")))
        return subprocess.run([*words[:2], script, *words[3:]], capture_output=True, timeout=timeout, check=False)

    # as nginx
    async def exchange(self, *_: Any) -> Reply:
        self.asked += 1
        identity = f"{self.asked:032x}"
        if self.asked > self.dies_after:
            raise TargetError("gateway:443 closes the connection instead of answering GET /.")
        with self.log.open("a") as file:
            for name in (
                () if not self.logs else (identity, *[f"f{self.asked:030x}{other % 10}" for other in range(100)])
            ):
                file.write(json.dumps({"request_id": name, "upstream_connect": self.connect_time}) + "\n")
        return Reply(self.status, [("x-request-id", identity)] if self.names else [])

    async def connect(self, _: Target) -> Any:
        return self

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("opens", "verdict", "found"),
    [
        ([2], Verdict.PASS, "2 opened for 20 requests; 20 of 20 logged with no connect time"),
        ([20, 0, 20, 0, 20, 0], Verdict.FAIL, "20 opened for 20 requests; 20 of 20 logged with no connect time"),
        ([16, 0, 0], Verdict.PASS, "0 opened for 20 requests; 20 of 20 logged with no connect time"),
        ([25, 23], Verdict.PASS, "2 opened for 20 requests; 20 of 20 logged with no connect time"),
        ([45, 23, 8], Verdict.PASS, "8 opened for 20 requests; 20 of 20 logged with no connect time"),
    ],
    ids=["used again", "never", "sixteen upstream servers", "others open as many", "others open now more, now less"],
)
def test_only_connections_opened_again_and_again_fail(
    opens: list[int], verdict: Verdict, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *others, line = proved(Gateway(tmp_path / "access.json", opens), monkeypatch)
    assert (line.what, line.verdict, line.found) == ("upstream connections used again", verdict, found)
    assert [other.verdict for other in others] == [Verdict.PASS, Verdict.PASS]


def test_time_spent_connecting_fails_whatever_the_kernel_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = proved(Gateway(tmp_path / "access.json", [0], connect_time="0.004"), monkeypatch)[-1]
    assert (line.verdict, line.found) == (
        Verdict.FAIL,
        "0 opened for 20 requests; 0 of 20 logged with no connect time",
    )


@pytest.mark.parametrize(
    ("broken", "what", "found"),
    [
        ({"status": 429}, "requests in a row", "0 of 20 with 200, 20 x 429"),
        (
            {"dies_after": 7},
            "requests in a row",
            "7 of 20 with 200, 1 x closes the connection instead of answering GET /",
        ),
        ({"logs": False}, "requests in the access log", "0 of 20"),
        ({"names": False}, "requests in the access log", "answers name no request (X-Request-ID)"),
    ],
    ids=["limited", "workers that die", "not logged", "nameless"],
)
def test_each_fault_has_a_sentence_of_its_own(
    broken: dict[str, Any], what: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of these were "0 opened for 20 requests; 0 of 0 logged with no connect time"."""
    gateway = Gateway(tmp_path / "access.json", [0])
    vars(gateway).update(broken)
    monkeypatch.setattr(reuse, "_LINES", reuse._LINES.replace(str(reuse._LOGGED_WITHIN), "1"))
    *others, line = proved(gateway, monkeypatch)
    assert (line.what, line.found, line.verdict) == (what, found, Verdict.FAIL)
    assert all(other.verdict is Verdict.PASS for other in others)


def proved(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    monkeypatch.setattr(reuse, "connect", gateway.connect)
    monkeypatch.setattr(reuse, "exchange", gateway.exchange)
    return reuse.prove(cast(GuestAgent, gateway), str(gateway.log), cast(Target, gateway), "/")
