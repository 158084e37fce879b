"""Print docs/hardware.md: `python -m nordgate.machine > docs/hardware.md`."""

from __future__ import annotations

from nordgate.machine.hardware_page import hardware_page

if __name__ == "__main__":
    print(hardware_page(), end="")
