"""The table of faults.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

# Until the old workers have gone, they may answer.
_RELOAD = "old=$(pgrep -o -P $(</run/nginx.pid)); nginx -s reload; while kill -0 $old 2>/dev/null; do sleep 0.1; done"


@dataclass(frozen=True)
class Fault:
    """`broken` and `mended` are commands of the guest's shell."""

    name: str
    broken: str
    mended: str
    failing: str


def _fault(name: str, case: dict[str, str]) -> Fault:
    file = case.get("file")
    if file is None:
        return Fault(name, case["broken"], case["mended"], case["failing"])
    apply = {"reload": _RELOAD}.get(case.get("apply", ""), case.get("apply", ""))
    broken = f"cp -p {file} /root/kept; sed -i '{case['edit']}' {file}; {apply}"
    return Fault(name, broken, f"cp -p /root/kept {file}; {apply}", case["failing"])


FAULTS = [_fault(*item) for item in yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text()).items()]
