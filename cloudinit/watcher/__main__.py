"""`watch` runs for ever; `apply` once, whenever there is something new."""

from __future__ import annotations

import os
import sys
from pathlib import Path

TABLE = Path("/etc/nordgate/upstreams.json")
LISTS = Path("/run/nordgate/upstreams")
WANTED = Path("/run/nordgate-upstreams/wanted.json")


def say(text: str) -> None:
    """To the journal."""
    print(text, flush=True)


def main(verb: str) -> int:
    from .table import parse

    table = parse(TABLE.read_text())
    if verb == "watch":
        from .watch import run

        # systemd says where.
        run(table, WANTED, Path(os.environ["STATE_DIRECTORY"], "known.json"), LISTS, say)
    from .apply import apply, read_wanted, reload_nginx

    return 0 if apply(table, read_wanted(WANTED), LISTS, reload_nginx, say) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
