"""Root's part: writes nginx's lists of servers from what was found, and has nginx read them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .disk import text_of, write
from .table import Table, endpoints, server_lines, trusted

_LARGEST = 4 << 20
_RELOAD = ("systemctl", "try-reload-or-restart", "nginx.service")


def read_wanted(path: Path) -> Any:
    """What `watch` has written. Its folder is not root's: a link, a pipe or an endless file is refused."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file) as opened:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
            raise ValueError(f"{path} is no file of at most {_LARGEST} bytes")
        return json.loads(opened.read(_LARGEST))


def texts(table: Table, wanted: Any) -> dict[str, str]:
    """The text of every group. Of what was found only addresses, of names that were declared, get into it."""
    found: dict[str, str] = {}
    for name, group in table.groups.items():
        told = wanted.get(name) if isinstance(wanted, dict) else None
        told = told if isinstance(told, dict) else {}
        claimed, down = told.get("addresses"), told.get("down")
        addresses = {
            host: [address for address in (trusted(text, table.families) for text in _list(items)) if address]
            for host, items in (claimed.items() if isinstance(claimed, dict) else ())
            if host in group.names
        }
        live = {str(endpoint) for endpoint in endpoints(group, addresses)}
        out = live & {text for text in _list(down) if isinstance(text, str)}
        found[name] = server_lines(group, addresses, out if len(out) < len(live) else ())
    return found


def in_force(table: Table, wanted: Any, folder: Path) -> bool:
    """Whether nginx's lists say so already."""
    return all(text_of(folder / f"{name}.conf") == text for name, text in texts(table, wanted).items())


def apply(table: Table, wanted: Any, folder: Path, reload: Callable[[], str], say: Callable[[str], None]) -> bool:
    """Write what changed and reload nginx. Where nginx refuses it, what was there is put back."""
    before = {name: text_of(folder / f"{name}.conf") for name in table.groups}
    changed = {name: text for name, text in texts(table, wanted).items() if text != before[name]}
    if not changed:
        return True
    for name, text in changed.items():
        write(folder / f"{name}.conf", text)
    trouble = reload()
    if not trouble:
        say(f"nginx has read the servers of {', '.join(changed)}")
        return True
    for name in changed:
        if before[name] is not None:
            write(folder / f"{name}.conf", before[name] or "")
    say(f"nginx refuses the servers of {', '.join(changed)}, and keeps what it had: {trouble}")
    return False


def reload_nginx() -> str:
    """Empty, or why not. `nginx -s reload`, which the unit calls, reads the whole configuration before it acts."""
    done = subprocess.run(_RELOAD, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")


def _list(value: Any) -> list[Any]:
    return value[:1000] if isinstance(value, list) else []
