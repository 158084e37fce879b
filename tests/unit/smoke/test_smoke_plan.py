"""A plan is refused whole, with every mistake named: setting, rule, value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nordgate.errors import UsageError
from smoke.plan import Plan
from smoke.plan_model import host_and_port
from smoke.plan_reader import parse_plan

GOOD: dict[str, Any] = {
    "stack": "oslo-test",
    "gateway": "gw1",
    "serverName": "api.oslo-test.localhost",
    "url": "https://api.oslo-test.localhost:8443",
    "connect": "127.0.0.1:8443",
    "trust": {"guestCertificate": "/srv/nordgate/tls/gateway.crt"},
    "libvirt": {"uri": "qemu:///system", "domain": "oslo-test-gw1", "consoleLog": "/var/log/gw1.log"},
    "contentHash": "abc",
    "readiness": {"timeoutSeconds": 180},
    "paths": {"health": "/health", "proxied": "/"},
    "load": {"rate": 150, "durationSeconds": 7, "warmUpSeconds": 1, "connections": 16},
    "budget": {"p50": 20, "p99": 100, "errorRate": 0},
}


def refusal(**settings: Any) -> str:
    with pytest.raises(UsageError) as caught:
        parse_plan(json.dumps(GOOD | settings), "plan.json")
    return str(caught.value)


def test_whole_plan_is_taken() -> None:
    plan = parse_plan(json.dumps(GOOD), "plan.json")
    assert plan.address == ("127.0.0.1", 8443)
    assert plan.name == "api.oslo-test.localhost"


def test_short_plan_gets_brief_defaults_that_judge_p99_within_ten_seconds() -> None:
    load = Plan(stack="s", gateway="g", url="https://h").load
    assert load is not None
    assert load.rate * load.duration_seconds >= 1000
    assert load.duration_seconds + load.warm_up_seconds <= 10


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"load": {"rate": 0}}, ["load.rate", "greater than 0", "(got 0)"]),
        ({"load": {"rat": 5}}, ["load.rat", 'did you mean "rate"?']),
        ({"gatway": "gw1"}, ["gatway", 'did you mean "gateway"?']),
        ({"url": "http://h"}, ["url", "must be https://HOST", "(got http://h)"]),
        ({"connect": "h"}, ["connect", "must be HOST:PORT", "(got h)"]),
        ({"connect": "h:99999"}, ["connect", "must be HOST:PORT", "(got h:99999)"]),
        ({"gateway": "../gw"}, ["gateway", "pattern", "(got ../gw)"]),
        ({"paths": {"proxied": "/a b"}}, ["paths.proxied", "pattern", "(got /a b)"]),
        ({"libvirt": {"domain": "a'b"}}, ["libvirt.domain", "pattern", "(got a'b)"]),
        ({"budget": {"overhead": {"p9": 1}}}, ["budget.overhead.p9", 'did you mean "p99"?']),
        ({"routes": {"/": {"p5": 1}}}, ["routes./.p5", 'did you mean "p50"?']),
        ({"baseline": "https://h/"}, ["baseline", "must be http://HOST[:PORT]/PATH", "(got https://h/)"]),
        ({"vantages": [{"name": "a", "reach": "ftp://h"}]}, ["vantages.0.reach", "pattern", "(got ftp://h)"]),
        ({"vantages": [{"name": "a", "reach": "local"}] * 2}, ["different names"]),
        ({"paths": {"proxied": "/grpc.health.v1.Health/Check"}}, ["load.protocols", "asked over h2 alone: add it"]),
        ({"onInconclusive": "ignore"}, ["onInconclusive", "'fail' or 'warn'"]),
        ({"libvirt": None}, ["trust.guestCertificate", "has no libvirt"]),
        ({"trust": {"insecure": True}}, ["trust.insecure", "network-only"]),
        ({"trust": {"insecure": True, "caFile": "x"}}, ["trust", "exclude each other"]),
        ({"trust": {"caCertificate": "x", "caFile": "x"}}, ["trust", "exclude each other"]),
        ({"trust": {"selfSigned": "/x"}}, ["trust", "there is none"]),
        ({"readiness": {"timeoutSeconds": "long"}}, ["readiness.timeoutSeconds", "number", "(got long)"]),
    ],
)
def test_mistake_is_named_with_its_setting_rule_and_value(settings: dict[str, Any], words: list[str]) -> None:
    text = refusal(**settings)
    assert text.startswith("plan.json\n")
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("settings", "place", "words"),
    [
        (
            {"budget": {"p999": 8}},
            "budget.p999",
            ["10,000 requests", "has 1,050", "66.7s", "rate of 1429", "(got 8.0)"],
        ),
        ({"budget": {"p50": 5}, "load": {"rate": 2, "durationSeconds": 5}}, "budget.p50", ["20 requests", "has 10"]),
        ({"budget": {"p99": 5001}}, "budget.p99", ["5.001s is longer than any answer is waited for, 5s"]),
        ({"budget": {"p99": 9, "errorRate": 0.05}}, "budget.p99", ["1,053 requests on, 0.05 of which may fail"]),
        ({"budget": {"p50": 9, "errorRate": 1}}, "budget.p50", ["with errorRate 1"]),
        ({"budget": {"errorRate": 0.0001}}, "budget.errorRate", ["less than one of 1,050 requests", "66.7s", "or 0"]),
        ({"budget": {"minThroughput": 151}}, "budget.minThroughput", ["can never come of a rate of 150"]),
        ({"budget": {"overhead": {"p50": 1}}}, "budget.overhead.p50", ["needs `baseline`"]),
        (
            {"budget": {"overhead": {"p99": 1}}, "baseline": "http://h/"},
            "budget.overhead.p99",
            ["1,000 requests in each of the 5 rounds", "has 210", "33.4s", "or rounds: 1"],
        ),
        ({"routes": {"/": {}, "/slow": {"p999": 9}}}, "routes./slow.p999", ["10,000 requests"]),
        (
            {"vantages": [{"name": "far", "reach": "ssh://h", "budget": {"p999": 9}}]},
            "vantages.0.budget.p999",
            ["10,000 requests"],
        ),
        ({"load": None, "budget": {"p50": 9}}, "budget.p50", ["load is null"]),
        ({"load": None, "routes": {"/": {"minThroughput": 9}}}, "routes./.minThroughput", ["load is null"]),
    ],
)
def test_a_budget_that_the_load_cannot_judge_is_refused(settings: Any, place: str, words: list[str]) -> None:
    text = refusal(**{"budget": {}} | settings)
    assert text.splitlines()[1].split()[0] == place, text
    assert [word for word in words if word not in text] == []
    assert text.endswith("1 problem; nothing was checked.")


def test_a_load_that_is_what_the_refusal_names_is_taken() -> None:
    for load in ({"durationSeconds": 66.7}, {"rate": 1429}):
        assert parse_plan(json.dumps(GOOD | {"budget": {"p999": 8}, "load": load}), "plan.json").budget.p999 == 8


def test_all_mistakes_are_named_at_once() -> None:
    text = refusal(load={"rate": -1}, budget={"errorRate": 2}, nonsense=1)
    assert text.endswith("3 problems; nothing was checked.")


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(UsageError, match="Invalid JSON"):
        parse_plan("{", "standard input")


@pytest.mark.parametrize(
    ("text", "expected"), [("h:1", ("h", 1)), ("[::1]:8443", ("::1", 8443)), ("10.0.0.1:443", ("10.0.0.1", 443))]
)
def test_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text) == expected
