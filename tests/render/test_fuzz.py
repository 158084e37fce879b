"""Whatever settings are accepted, nginx accepts what is rendered, and nothing typed becomes a directive."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cloudinit import PLATFORMS, GatewaySettings, GuestSettings, seed_documents
from tests.render.authority import Pair
from tests.render.conftest import DEBIANS
from tests.render.sites import Site
from tests.render.test_nginx_syntax import directives, walk

GUEST = GuestSettings.model_validate(
    {"name": "gw1", "address": "10.8.0.11/24", "mac": "52:54:00:00:00:11", "resolvers": ["10.8.0.2"]}
)
# What a careless or a hostile hand might type. Most of it is accepted, so that most examples reach nginx.
NASTY = ";", "}", "{", '"', "'", "\\", "\\\\", '";', "'; deny all; #", "#", "a b", "\u00e9", "\\n", "~", "://", "*", "@"
REFUSED = "$host", "\n", "\0", "\x7f", "%0a", "//", "?"
PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="$"), max_size=40)
TEXT = PRINTABLE | st.lists(st.sampled_from(NASTY), max_size=5).map("".join)
ANYTHING = st.one_of(*[TEXT] * 30, st.text(max_size=20), st.sampled_from(REFUSED))
LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=40)
HOST = st.lists(LABEL, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "test"]))
NAME = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
PROXIES = "10.0.0.0/8", "fd00::/8", "192.0.2.1/32"
SERVER = st.integers(1, 250).map(lambda number: f"10.1.0.{number}:8080")
HEADERS = st.dictionaries(st.text(string.ascii_letters + "-_!'`|~", min_size=1, max_size=20), ANYTHING, max_size=3)
GROUP = st.fixed_dictionaries(
    {"servers": st.lists(SERVER, min_size=1, max_size=5, unique=True)},
    optional={
        "tls": st.fixed_dictionaries({"serverName": HOST}),
        "keepalive": st.integers(1, 4096),
        "balance": st.sampled_from(["round-robin", "least-connections"]),
        "responseHeadKilobytes": st.integers(4, 1024),
        "tries": st.integers(1, 10),
    },
)
SEGMENT = ANYTHING.map(lambda text: text.translate(str.maketrans(dict.fromkeys(' %?#\\"/')))).filter(
    lambda t: t.strip(".")
)
PATH = st.lists(SEGMENT, max_size=3).map(lambda segments: "".join(f"/{segment}" for segment in segments) + "/")


@st.composite
def gateways(draw: st.DrawFn, http3: bool) -> dict[str, Any]:
    """Settings as a user may type them: of the right shape, with anything in the strings."""
    upstreams = draw(st.dictionaries(NAME, GROUP, min_size=1, max_size=3))
    route = st.fixed_dictionaries(
        {"path": PATH, "upstream": st.sampled_from(sorted(upstreams))},
        optional={
            "exact": st.booleans(),
            "kind": st.sampled_from(["http", "websocket", "stream", "grpc"]),
            "responseHeaders": HEADERS,
            "maxBodyMegabytes": st.integers(1, 70),
        },
    )
    optional = {
        "securityHeaders": HEADERS,
        "log": st.fixed_dictionaries({"file": SEGMENT.map(lambda text: f"a{text}"), "audit": st.booleans()}),
        "rateLimit": st.fixed_dictionaries(
            {"requestsPerSecond": st.integers(1, 1_000_000)},
            optional={"burst": st.integers(0, 1_000_000), "connections": st.integers(0, 65535)},
        ),
        "trustedProxies": st.lists(
            st.sampled_from(["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]), max_size=3, unique=True
        ),
        "tls": st.fixed_dictionaries({"http3": st.booleans() if http3 else st.just(False)}),
        "concurrentClients": st.integers(1, 20_000),
        "requestHeaderKilobytes": st.integers(4, 1024),
        "gzip": st.sampled_from(["off", "json"]),
        "kernel": st.fixed_dictionaries(
            {"sysctl": st.fixed_dictionaries({"net.core.somaxconn": st.integers(1, 2**30 - 8)})}
        ),
    }
    return draw(
        st.fixed_dictionaries(
            {
                "serverNames": st.lists(HOST, min_size=1, max_size=4, unique=True),
                "upstreams": st.just(upstreams),
                "routes": st.lists(route, min_size=1, max_size=4, unique_by=lambda route: route["path"]),
            },
            optional=optional,
        )
    )


def shape(typed: GatewaySettings) -> dict[str, int]:
    """How many of each directive the settings ask for, in words of their own."""
    proxied = sum(route.kind != "grpc" for route in typed.routes)
    catch_all = any(route.path == "/" and not route.exact for route in typed.routes)
    # Names that differ by more than their case.
    names = [{name.lower() for name in typed.security_headers}]
    names += [names[0] | {name.lower() for name in r.response_headers} for r in typed.routes if r.response_headers]
    own_headers = 2 + typed.tls.http3 + (typed.gzip != "off")
    # A call that /ready makes has a server of its own, and a location for each of its two ends.
    ready_call = int(typed.ready_by_grpc)
    return {
        "location": len(typed.routes) + 3 + 4 + (not catch_all) + 3 * ready_call,
        "upstream": len(typed.upstreams),
        "proxy_pass": proxied + 1,
        "grpc_pass": len(typed.routes) - proxied + ready_call,
        "listen": 3 + 2 + typed.tls.http3 * 2 + ready_call,
        "server_name": 2 * len(typed.server_names) + 2 + ready_call,
        # Those of the gateway's own 503 too, and its Retry-After.
        "add_header": sum(own_headers + len(some) for some in (*names, names[0])) + 1 + ready_call,
        "access_log": 3 + typed.log.audit + 3 * ready_call,
        "deny": 1,
    }


def check(typed: dict[str, Any], platform: str, root: Path, folder: Path, pair: Pair) -> bool:
    """Whether the settings were accepted; if they were, everything about them must hold."""
    try:
        gateway = GatewaySettings.model_validate(typed)
    except ValidationError:
        return False
    site = Site.make(root, folder, seed_documents(GUEST, gateway, PLATFORMS[platform]).files, pair)
    assert site.test() == ""
    found = [entry["directive"] for entry in walk(directives(site.folder))]
    counts = shape(gateway)
    assert {name: found.count(name) for name in counts} == counts
    return True


def fuzz(examples: int, root: Path, platform: str, folder: Path, pair: Pair) -> None:
    accepted = 0

    # Not shrunk: that would take many minutes, and what nginx complains about shows where to look.
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(gateways(PLATFORMS[platform].http3_module))
    def run(typed: dict[str, Any]) -> None:
        nonlocal accepted
        accepted += check(typed, platform, root, folder, pair)

    run()
    assert accepted > examples // 5, f"only {accepted} of {examples} were accepted: the test says too little"


@pytest.mark.parametrize("platform", DEBIANS)
def test_nothing_that_is_accepted_breaks_nginx_or_adds_a_directive(
    platform: str, roots: dict[str, Path], pair: Pair, tmp_path: Path
) -> None:
    fuzz(50, roots[PLATFORMS[platform].suite], platform, tmp_path / "site", pair)


@pytest.mark.long
@pytest.mark.parametrize("platform", DEBIANS)
def test_the_same_holds_for_very_many(platform: str, roots: dict[str, Path], pair: Pair, tmp_path: Path) -> None:
    fuzz(1500, roots[PLATFORMS[platform].suite], platform, tmp_path / "site", pair)
