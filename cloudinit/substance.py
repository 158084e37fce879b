"""What counts of a guest's files: a guest whose files differ in comments and blanks alone is the same guest."""

from __future__ import annotations

_INDENTED = (".py", ".sources", ".json", ".yaml")
"""Ends of the names of files in which the blanks at the start of a line say something."""


def substance(path: str, text: str) -> str:
    """The file at `path` in a guest without whole lines of comment, empty lines, and blanks at the ends of lines.

    A line that names the interpreter stays; so does the indentation where it counts, and in scripts, whose texts may
    have several lines.
    """
    comment = "//" if path.startswith("/etc/apt/apt.conf.d/") else "#"
    plain = path.startswith("/etc/") and not path.endswith(_INDENTED)
    lines = []
    for line in text.split("\n"):
        bare = line.strip()
        if bare and (not bare.startswith(comment) or line.startswith("#!")):
            lines.append(bare if plain else line.rstrip())
    return "\n".join(lines) + "\n"
