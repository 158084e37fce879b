"""The rendered gateway beside the distribution's own configuration: the same nginx, upstream, certificate and load."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cloudinit import PLATFORMS, GatewaySettings, seed_documents
from tests.render.authority import Pair
from tests.render.backends import Backends
from tests.render.conftest import Serve
from tests.render.instant import ADDRESS, make_folders, nginx, upstream
from tests.render.served import GUEST, NAME, network_of_its_own
from tests.render.sites import Site

ROUNDS = 4
SECONDS = 3
STOCK_PORT = 8443
GATEWAY = GatewaySettings.model_validate(
    {
        "serverNames": [NAME],
        "upstreams": {"api": {"servers": [ADDRESS]}},
        "routes": [{"path": "/", "upstream": "api"}],
        "concurrentClients": 1000,
    }
)
SERVER = f"""
server {{
    listen 127.0.0.1:{STOCK_PORT} ssl;
    server_name {NAME};
    ssl_certificate /etc/nginx/gateway.crt;
    ssl_certificate_key /etc/nginx/gateway.key;
    location / {{ proxy_pass http://{ADDRESS}; }}
}}
"""


def stock(root: Path, folder: Path, pair: Pair) -> Site:
    """The package's files as they are, but for the server and the folder of the logs."""
    make_folders(folder)
    shutil.copytree(root / "etc/nginx", folder / "etc/nginx", dirs_exist_ok=True, symlinks=True)
    main = folder / "etc/nginx/nginx.conf"
    main.write_text(main.read_text().replace("/var/log/nginx", "/srv"))
    for link in (folder / "etc/nginx/sites-enabled").iterdir():
        link.unlink()
    (folder / "etc/nginx/sites-enabled/gateway").write_text(SERVER)
    shutil.copy(pair.certificate, folder / "etc/nginx/gateway.crt")
    shutil.copy(pair.key, folder / "etc/nginx/gateway.key")
    return Site(root, folder)


def answers(port: int, folder: Path) -> int:
    """How many wrk gets in its seconds, by connections that it keeps."""
    (folder / "connect.lua").write_text(f'function wrk.resolve() wrk.addrs = wrk.lookup("127.0.0.1", "{port}") end\n')
    words = [
        "wrk",
        "-t1",
        "-c64",
        f"-d{SECONDS}s",
        "-s",
        "connect.lua",
        "-H",
        f"Host: {NAME}",
        f"https://{NAME}:{port}/",
    ]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert "Non-2xx" not in done.stdout, done.stdout
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found, done.stdout
    return int(found[1])


@pytest.mark.long
@pytest.mark.parametrize("platform", ["debian-12", "debian-13"])
def test_the_rendered_gateway_answers_more_than_the_distributions(
    platform: str, serve: Serve, roots: dict[str, Path], pair: Pair, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    root = roots[PLATFORMS[platform].suite]
    documents = seed_documents(GUEST, GATEWAY, PLATFORMS[platform])
    rendered, distributions = [], []
    with (
        network_of_its_own(),
        upstream(roots["bookworm"], tmp_path / "upstream"),
        nginx(stock(root, tmp_path / "stock", pair), f"127.0.0.1:{STOCK_PORT}"),
        serve(documents, platform, Backends()),
    ):
        for _ in range(ROUNDS):
            # In turn: whatever else this machine does is met by both.
            distributions.append(answers(STOCK_PORT, tmp_path))
            rendered.append(answers(443, tmp_path))
    print(f"\n{platform}: {sum(rendered)} answers to {sum(distributions)}, {rendered} {distributions}")
    assert sum(rendered) > sum(distributions)
