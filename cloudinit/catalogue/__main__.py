"""Print docs/tuning.md: `python -m cloudinit.catalogue > docs/tuning.md`."""

from __future__ import annotations

from cloudinit.catalogue.tuning_page import tuning_page

if __name__ == "__main__":
    print(tuning_page(), end="")
