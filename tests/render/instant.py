"""An upstream that answers at once: an nginx of its own, so that what is measured is the gateway before it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.render.sites import Site

ADDRESS = "127.0.0.2:9001"
_CONFIGURATION = f"""
worker_processes 1; user root; error_log stderr; pid /run/nginx.pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; server {{ listen {ADDRESS} backlog=4096; return 200 "ok"; }} }}
"""
_APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec")


@contextmanager
def upstream(root: Path, folder: Path) -> Iterator[None]:
    """It at ADDRESS, its files in `folder`."""
    make_folders(folder)
    (folder / "etc/nginx/nginx.conf").write_text(_CONFIGURATION)
    with nginx(Site(root, folder), ADDRESS):
        yield


def make_folders(folder: Path) -> None:
    """What a Site mounts."""
    for name in ("etc/nginx", "etc/nordgate", "srv", "run", "usr/local"):
        (folder / name).mkdir(parents=True, exist_ok=True)


@contextmanager
def nginx(site: Site, address: str) -> Iterator[None]:
    """nginx on the site, from when it listens there to the end of the block."""
    process = subprocess.Popen([*_APART, site.shell("nginx -g 'daemon off;'")])
    try:
        deadline = time.monotonic() + 20
        while address not in subprocess.run(["ss", "-ltn"], capture_output=True, text=True, check=True).stdout:
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < deadline, f"nginx does not listen at {address}"
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait(10)
