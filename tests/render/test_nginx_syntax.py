"""Each case, by the distribution's own nginx and by the tools that look for weak configurations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import crossplane  # type: ignore[import-untyped]
import jsonschema
import pytest
import yaml

from cloudinit import PATHS, PLATFORMS
from tests.render.authority import Pair
from tests.render.sites import CASES, Site, platforms_of, rendered_case
from tests.tables import slow

EVERYWHERE = [(case, platform) for case in CASES for platform in platforms_of(case)]
# The platforms whose own packages are unpacked for these tests.
DEBIAN = [(case, platform) for case, platform in EVERYWHERE if platform.startswith("debian")]


def directives(folder: Path) -> list[dict[str, Any]]:
    """All directives of the configuration in `folder`, includes resolved, as crossplane sees them."""
    nginx = folder / "etc/nginx"
    for path in [nginx / "nginx.conf", *nginx.glob("nordgate/*.conf")]:
        text = path.read_text().replace("/etc/nginx/", f"{nginx}/")
        path.write_text(text.replace(PATHS.upstreams, f"{folder}{PATHS.upstreams}"))
    parsed = crossplane.parse(str(nginx / "nginx.conf"), strict=False, combine=True)
    assert parsed["errors"] == []
    block: list[dict[str, Any]] = parsed["config"][0]["parsed"]
    return block


def walk(block: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for entry in block for found in (entry, *walk(entry.get("block", [])))]


def values(block: list[dict[str, Any]], name: str) -> list[list[str]]:
    return [entry["args"] for entry in walk(block) if entry["directive"] == name]


@pytest.mark.parametrize(("case", "platform"), DEBIAN)
def test_the_distributions_own_nginx_accepts_it(
    case: str, platform: str, roots: dict[str, Path], pair: Pair, tmp_path: Path
) -> None:
    root = roots[PLATFORMS[platform].suite]
    said = Site.make(root, tmp_path / "site", rendered_case(case, platform).files, pair).test()
    assert [line for line in said.splitlines() if "ssl_stapling" not in line] == []


@pytest.mark.parametrize(("case", "platform"), EVERYWHERE)
def test_the_syntax_is_the_platforms(
    case: str, platform: str, roots: dict[str, Path], pair: Pair, tmp_path: Path
) -> None:
    site = Site.make(roots["trixie"], tmp_path / "site", rendered_case(case, platform).files, pair)
    block = directives(site.folder)
    modern = PLATFORMS[platform].http2_directive
    assert bool(values(block, "http2")) is modern
    assert any("http2" in args for args in values(block, "listen")) is not modern
    assert values(block, "ssl_session_tickets") == [["on" if PLATFORMS[platform].session_tickets else "off"]]
    assert values(block, "ssl_reject_handshake") == [["on"]]


@pytest.mark.parametrize("platform", ["debian-12", "debian-13"])
@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/etc/chrony/chrony.conf", "chronyd -p -u root -f {file}"),
        ("/etc/nftables.conf", "nft --check --file {file}"),
    ],
)
def test_the_distributions_own_programs_accept_their_files(
    path: str, command: str, platform: str, roots: dict[str, Path], pair: Pair, tmp_path: Path
) -> None:
    documents = rendered_case("everything", platform)
    site = Site.make(roots[PLATFORMS[platform].suite], tmp_path / "site", documents.files, pair)
    (site.folder / "run/tried").write_text(documents.files[path].content)
    said = site.run(command.format(file="/run/tried"))
    assert "code" not in said, said
    (site.folder / "run/tried").write_text(documents.files[path].content + "nonsense\n")
    assert "code" in site.run(command.format(file="/run/tried"))


@pytest.mark.parametrize("case", CASES)
def test_every_proxied_location_keeps_its_upstream_connections(
    case: str, roots: dict[str, Path], pair: Pair, tmp_path: Path
) -> None:
    site = Site.make(roots["trixie"], tmp_path / "site", rendered_case(case, "debian-13").files, pair)
    block = directives(site.folder)
    locations = [entry for entry in walk(block) if entry["directive"] == "location"]
    proxied = [location["block"] for location in locations if values(location["block"], "proxy_pass")]
    assert proxied
    for location in proxied:
        assert values(location, "proxy_http_version") == [["1.1"]]
        headers = dict(values(location, "proxy_set_header"))
        assert headers["Connection"] in ("", "$connection_upgrade")
        assert "non_idempotent" not in str(values(location, "proxy_next_upstream"))
    assert len(values(block, "keepalive")) == len(values(block, "upstream"))


@pytest.mark.parametrize(("case", "platform"), [pair if pair[1] == "debian-13" else slow(*pair) for pair in DEBIAN])
def test_gixy_finds_nothing_of_medium_or_above(
    case: str, platform: str, roots: dict[str, Path], pair: Pair, tmp_path: Path
) -> None:
    site = Site.make(roots["trixie"], tmp_path / "site", rendered_case(case, platform).files, pair)
    directives(site.folder)
    command = [sys.executable, "-m", "gixy.cli.main", "-l", "-f", "json", str(site.folder / "etc/nginx/nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout, done.stderr
    found = [(issue["plugin"], issue["severity"], issue["config"][:300]) for issue in json.loads(done.stdout)]
    assert [issue for issue in found if issue[1] in ("MEDIUM", "HIGH")] == []


@pytest.mark.parametrize(("case", "platform"), DEBIAN)
def test_user_data_is_what_cloud_inits_own_schema_allows(case: str, platform: str, roots: dict[str, Path]) -> None:
    schemas = roots[PLATFORMS[platform].suite] / "usr/lib/python3/dist-packages/cloudinit/config/schemas"
    schema = json.loads((schemas / "schema-cloud-config-v1.json").read_text())
    documents = rendered_case(case, platform)
    jsonschema.Draft4Validator(schema).validate(yaml.safe_load(documents.user_data))
    network = schemas / "schema-network-config-v2.json"
    if network.exists():
        jsonschema.Draft4Validator(json.loads(network.read_text())).validate(yaml.safe_load(documents.network_config))


@pytest.mark.parametrize("case", CASES)
def test_the_boot_script_passes_shellcheck(case: str) -> None:
    script = rendered_case(case, "debian-13").files[PATHS.boot].content
    done = subprocess.run(["shellcheck", "-"], input=script, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
