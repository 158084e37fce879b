"""Print docs/hardware.md: `python -m hardware > docs/hardware.md`."""

from __future__ import annotations

from hardware.page import hardware_page

if __name__ == "__main__":
    print(hardware_page(), end="")
