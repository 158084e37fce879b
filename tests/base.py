"""Captures what the provider hands to a domain's stylesheet, from the provider itself: `python -m tests.base`.

Writes nordgate/machine/base/*.xml, one document for each way onto the network.
Starts a lab and removes it; no guest starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.project import SOURCE, Project

BASE = SOURCE / "nordgate" / "machine" / "base"
WAYS = {"network": "", "bridge": "      bridge: br0\n", "macvtap": "      macvtap: enp1s0\n"}
"""The name of the document, and the line of the hypervisor in the stack file that leads to it."""

# The document is xsltproc's last argument. A domain's is kept, and goes no further.
_RECORDER = """\
#!/bin/sh
for document; do :; done
if grep -q '<domain' "$document"; then
    cp "$document" '{captured}'
    exit 1
fi
exec '{xsltproc}' "$@"
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="nordgate-base-") as folder:
        project = Project(Path(folder), lab="base", port=8745)
        captured = Path(folder) / ".nordgate/captured.xml"
        recorder = Path(folder) / "recorder/xsltproc"
        recorder.parent.mkdir()
        os.environ["PATH"] = f"{recorder.parent}:{os.environ['PATH']}"
        recorder.write_text(_RECORDER.format(captured=captured, xsltproc="/usr/bin/xsltproc"))
        recorder.chmod(0o755)
        anchor = "      consoleLogs:"
        try:
            project.make("lab-up")
            # A bridge must be there, says the preflight.
            inside = [sys.executable, "-m", "lab", "exec", project.lab]
            subprocess.run([*inside, "ip", "link", "add", "br0", "type", "bridge"], cwd=SOURCE, check=True)
            for name, line in WAYS.items():
                project.edit(anchor, line + anchor)
                ended = project.make("up")
                project.edit(line + anchor, anchor)
                if not captured.exists():
                    raise SystemExit(f"the provider never came to a domain:\n{ended.output}")
                (BASE / f"domain-{name}.xml").write_text(captured.read_text().rstrip() + "\n")
                captured.unlink()
                print(BASE / f"domain-{name}.xml")
        finally:
            project.make("lab-down", "FORCE=1")


if __name__ == "__main__":
    main()
