"""What the toolchain's products consist of, file by file: one that is not what was finished is made again, never used.

The stamp says what a product was made from; the list beside it what came out: each file's mode and SHA-256, each
link's target. A file whose times, size and inode are those of the last look has not changed since, because nobody
but root can set the time of an inode's change; every other one is read again. Files that are on no list, which
Python or the shell would find first, are a change too.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from toolchain import work
from toolchain.paths import HOME

_CACHE, _COMPILED = "/__pycache__/", ".pyc"
"""Python makes these again from their sources, which are on the list, so one that differs is simply deleted."""

Look = list[int]
"""Inode, size, and the times of the last change of its content and of its inode, in nanoseconds."""


def keep(name: str, mark: str, *places: Path) -> None:
    """Record that the product `name`, made from `mark`, is finished and is what lies at `places` now."""
    files = {_name(path): [_print(path, found), _look(found)] for path, found in _walk(places)}
    work.stamp(_list(name), json.dumps(files))
    work.stamp(name, mark)


def kept(name: str, mark: str, *places: Path) -> bool:
    """Whether the product was finished from `mark`, and every file of it at `places` is still what it was then."""
    return work.stamped(name, mark) and changed(name, *places) is None


def changed(name: str, *places: Path) -> str | None:
    """The first file at `places` that is not as it was when the product was finished; None when all are."""
    known = _known(name)
    if known is None:
        return f"the list of {name}"
    seen, fresh = {}, False
    for path, found in _walk(places):
        file = _name(path)
        content, look = known.get(file, ("", None))
        if look != _look(found):
            if _print(path, found) != content:
                if _CACHE in path and stat.S_ISREG(found.st_mode):
                    # What has another ending is being written by a Python at this moment, and is never read.
                    if path.endswith(_COMPILED):
                        Path(path).unlink(missing_ok=True)
                    continue
                return file
            fresh = True
        seen[file] = [content, _look(found)]
    for file in known.keys() - seen.keys():
        if _CACHE not in file:
            return file
    if fresh:
        work.stamp(_list(name), json.dumps(seen))
    return None


def _known(name: str) -> dict[str, tuple[str, Look]] | None:
    """What was noted of each file; None when the list is not whole."""
    try:
        found = json.loads(work.read_stamp(_list(name)))
        return {file: (str(content), list(look)) for file, (content, look) in found.items()}
    except (ValueError, TypeError, AttributeError):
        return None


def say_why(name: str, mark: str, *places: Path) -> None:
    """Tell whoever waits why a product that was finished is made again."""
    if work.stamped(name, mark) and (file := changed(name, *places)):
        print(f"  {file} is not what was put there: {name} is made again", file=sys.stderr, flush=True)


def strangers(folder: Path, names: Collection[str]) -> list[Path]:
    """What else than `names` lies in a folder that programs are looked for in first."""
    return sorted(path for path in folder.glob("*") if path.name not in names)


def _list(name: str) -> str:
    return f"{name}.files"


def _name(path: str) -> str:
    """Within the toolchain's folder, wherever that is."""
    return path.removeprefix(f"{HOME}/")


def _look(found: os.stat_result) -> Look:
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _print(path: str, found: os.stat_result) -> str:
    """What a file is: its mode, and a hash of its content or where it leads."""
    if stat.S_ISLNK(found.st_mode):
        return f"link {os.readlink(path)}"  # noqa: PTH115 - a string, of many
    if not stat.S_ISREG(found.st_mode):
        return "no file"
    with open(path, "rb") as file:  # noqa: PTH123 - a string, of many
        return f"{stat.S_IMODE(found.st_mode):o} {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _walk(places: tuple[Path, ...]) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and link at or below the places, by its path."""
    waiting = [str(place) for place in places if place.exists() or place.is_symlink()]
    while waiting:
        path = waiting.pop()
        try:
            found = os.lstat(path)
        except FileNotFoundError:  # gone since its folder was read
            continue
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                waiting += [entry.path for entry in entries]
        else:
            yield path, found
