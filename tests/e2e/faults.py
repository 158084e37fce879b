"""The table of faults.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Until the old workers have gone, they may answer.
_RELOAD = "old=$(pgrep -o -P $(</run/nginx.pid)); nginx -s reload; while kill -0 $old 2>/dev/null; do sleep 0.1; done"


@dataclass(frozen=True)
class Fault:
    """`broken` and `mended` are commands of the guest's shell; the cause that the check leads with matches `says`."""

    name: str
    broken: str
    mended: str
    failing: str = ""
    says: str = ""
    long: bool = False


def _fault(name: str, case: dict[str, Any]) -> Fault:
    file, kept = case.get("file"), {key: case[key] for key in ("failing", "says", "long") if key in case}
    if file is None:
        return Fault(name, case["broken"], case["mended"], **kept)
    apply = {"reload": _RELOAD}.get(case.get("apply", ""), case.get("apply", ""))
    broken = f"cp -p {file} /root/kept; sed -i '{case['edit']}' {file}; {apply}"
    return Fault(name, broken, f"cp -p /root/kept {file}; {apply}", **kept)


FAULTS = [_fault(*item) for item in yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text()).items()]
