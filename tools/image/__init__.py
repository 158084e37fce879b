"""Bakes the guests' disk image from Debian packages and the files in `recipe/`.

Run it as `python3 -m tools.image`. Standard library only: it runs before the virtual environment exists.
"""
