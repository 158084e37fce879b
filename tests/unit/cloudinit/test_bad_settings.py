"""What is refused, and how the error says it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from cloudinit import PLATFORMS, broken_rules, platform_named
from tests.unit.cloudinit.samples import gateway, guest

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "bad_settings.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_bad_input_is_named_with_its_rule(case: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        gateway(**case["gateway"]) if "gateway" in case else guest(**case["guest"])
    errors = [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]
    assert any(where.startswith(case["where"]) and case["says"] in message for where, message in errors), errors


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        gateway(
            routes=[{"path": "/", "upstream": "x"}, {"path": "/v1/", "upstream": "y"}],
            limitNofile=2_000_000,
            workerConnections=100_000,
            workerRlimitNofile=150_000,
        )
    assert len(caught.value.errors()) == 4


def test_an_unknown_platform_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match='"debian-11" is not a known platform; known are debian-12, debian-13'):
        platform_named("debian-11")


def test_http3_is_refused_where_the_package_has_none() -> None:
    found = broken_rules(guest(), gateway(tls={"http3": True}), PLATFORMS["debian-12"])
    assert [(problem.where, "has no HTTP/3" in problem.rule) for problem in found] == [(("tls", "http3"), True)]


def test_a_setting_that_the_platforms_kernel_does_not_have_is_refused() -> None:
    asked = gateway(kernel={"bbr": True, "sysctl": {"net.ipv4.tcp_fastopen": 1, "net.ipv4.tcp_fin_timeout": 20}})
    found = broken_rules(guest(), asked, replace(PLATFORMS["debian-12"], kernel="3.2"))
    assert [(".".join(map(str, problem.where)), problem.rule) for problem in found] == [
        (
            "kernel.sysctl.net.ipv4.tcp_fastopen",
            "net.ipv4.tcp_fastopen needs Linux 3.7 or later, and the guest has 3.2",
        ),
        ("kernel.bbr", "net.core.default_qdisc needs Linux 3.12 or later, and the guest has 3.2"),
        ("kernel.bbr", "net.ipv4.tcp_congestion_control needs Linux 4.9 or later, and the guest has 3.2"),
    ]


def test_stapling_without_a_resolver_is_refused() -> None:
    found = broken_rules(guest(resolvers=[]), gateway(tls={"ocspStapling": True}), PLATFORMS["debian-13"])
    assert [problem.where for problem in found] == [("tls", "ocspStapling")]


def test_a_server_by_name_without_a_resolver_is_refused() -> None:
    named = gateway(upstreams={"api": {"servers": ["10.8.0.2:80", "api.example:80"]}})
    found = broken_rules(guest(resolvers=[]), named, PLATFORMS["debian-13"])
    assert [(problem.where, problem.value) for problem in found] == [
        (("upstreams", "api", "servers", 1, "address"), "api.example:80")
    ]
    assert found[0].rule == "api.example:80 is a name: it needs a DNS server to find it, and the guest has no resolvers"
    assert broken_rules(guest(), named, PLATFORMS["debian-13"]) == []
