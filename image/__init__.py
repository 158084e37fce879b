"""Bakes the guests' disk images from Debian packages and the files in `recipes/`.

Run it as `python3 -m image`. Standard library only: it runs before the virtual environment exists.
"""
