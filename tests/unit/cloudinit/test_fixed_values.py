"""No value that the templates fix cuts short what a setting promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import cloudinit
from cloudinit import PLATFORMS, seed_documents
from cloudinit.catalogue.nginx_rows import FIXED
from tests.unit.cloudinit.samples import gateway, guest

TEMPLATES = sorted((Path(cloudinit.__file__).parent / "templates/nginx").glob("*.j2"))
KNOWN: dict[str, str] = yaml.safe_load((Path(__file__).parent / "fixed_values.yaml").read_text())
_STATUSES = ("return", "error_page", "limit_req_status", "limit_conn_status")
LONGEST = 86_400


def fixed(template: str) -> set[str]:
    """Directives with a number that no setting can change, as `directive arguments`."""
    text = re.sub(r"\{\{ fixed\.(\w+) \}\}", lambda found: FIXED[found[1]], template)
    text = re.sub(r"\{[{%#].*?[}%#]\}", "", text, flags=re.DOTALL)
    # Tables of values, not limits.
    text = re.sub(r"^(map|geo) [^\n]*(\{\n.*?^\}|\}$)", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = set()
    for name, arguments in (
        line.removesuffix(";").split(None, 1) for line in lines if re.fullmatch(r"\S+ +\S.*;", line)
    ):
        number = r"(?<![\w.:$-])\d+[smkh]?(?![\w.:-])"
        if name not in _STATUSES and re.search(number, arguments):
            found.add(f"{name} {arguments.removesuffix(' always').replace('  ', ' ')}")
    return found


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_fixed_number_is_known_to_cut_no_setting_short(template: Path) -> None:
    new = fixed(template.read_text()) - KNOWN.keys()
    assert not new, "say in fixed_values.yaml which setting it could cut short, and why it does not"


def test_no_known_number_is_gone() -> None:
    assert set().union(*(fixed(path.read_text()) for path in TEMPLATES)) == KNOWN.keys()


def rendered(**changes: Any) -> dict[str, str]:
    files = seed_documents(guest(), gateway(**changes), PLATFORMS["debian-13"]).files
    return {path.rpartition("/")[2]: file.content for path, file in files.items() if path.startswith("/etc/nginx/")}


def seconds(text: str, directive: str) -> list[int]:
    return [int(value) for value in re.findall(rf"^ +{directive} (\d+)s;", text, re.MULTILINE)]


def location(servers: str, path: str) -> str:
    return servers.partition(f'location "{path}" {{')[2].partition("\n    }")[0]


@pytest.mark.parametrize("kind", ["http", "websocket", "stream", "grpc"])
@pytest.mark.parametrize("name", ["readTimeoutSeconds", "sendTimeoutSeconds"])
def test_a_client_may_pause_as_long_as_the_upstream(kind: str, name: str) -> None:
    routes = [{"path": "/", "upstream": "api", "kind": kind, name: LONGEST}, {"path": "/x/", "upstream": "api"}]
    servers = rendered(routes=routes)["servers.conf"]
    route = location(servers, "/")
    assert seconds(route, "client_body_timeout") == seconds(route, "send_timeout") == [LONGEST]
    assert seconds(location(servers, "/x/"), "client_body_timeout") == [60]
    # What stands for a whole HTTP/2 connection is the server's.
    assert seconds(servers.partition("location")[0], "send_timeout") == [LONGEST]


def test_connections_are_kept_as_long_as_they_may_be_idle() -> None:
    files = rendered(
        keepaliveTimeoutSeconds=LONGEST,
        upstreams={"api": {"servers": ["10.8.0.2:80"], "keepaliveTimeoutSeconds": 9000}},
    )
    assert seconds(files["nginx.conf"], "keepalive_time") == [LONGEST]
    assert seconds(files["upstreams.conf"], "keepalive_time") == [9000]


def test_ready_waits_for_a_connection_as_long_as_the_routes_do() -> None:
    group = {"servers": ["10.8.0.2:80"]}
    routes = [
        {"path": "/", "upstream": "api", "connectTimeoutSeconds": 20},
        {"path": "/x/", "upstream": "other", "connectTimeoutSeconds": 40},
    ]
    servers = rendered(routes=routes, upstreams={"api": group, "other": group})["servers.conf"]
    assert seconds(servers.partition("/ready {")[2], "proxy_connect_timeout")[0] == 20


def test_a_stream_of_calls_has_no_limit_unless_one_is_said() -> None:
    def limit(**route: Any) -> str:
        servers = rendered(routes=[{"path": "/", "upstream": "api", **route}])["servers.conf"]
        return "".join(re.findall(r"client_max_body_size (\w+);", location(servers, "/")))

    assert (limit(), limit(kind="stream"), limit(kind="grpc")) == ("1m", "1m", "0")
    assert (limit(kind="grpc", maxBodyMegabytes=3), limit(kind="stream", maxBodyMegabytes=0)) == ("3m", "0")
