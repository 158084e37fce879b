"""What counts of a guest's files: a guest whose files differ in comments and blanks alone is the same guest."""

from __future__ import annotations

import ast
import functools
import re

_INDENTED = (".sources", ".json", ".yaml")
"""Ends of the names of files in which the blanks at the start of a line say something."""

_COMMENTED = re.compile(r"""((?:[^#'"]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")*)#.*""")
"""A line of Python with a comment, and what stands before it: of what is in quotes nothing begins one."""


def substance(path: str, text: str) -> str:
    """The file at `path` in a guest without whole lines of comment, empty lines, and blanks at the ends of lines.

    A line that names the interpreter stays; so does the indentation where it counts, and in scripts, whose texts may
    have several lines. Of Python, which can be parsed, every comment and docstring goes, and no text is touched.
    """
    if path.endswith(".py"):
        return _python(text)
    comment = "//" if path.startswith("/etc/apt/apt.conf.d/") else "#"
    plain = path.startswith("/etc/") and not path.endswith(_INDENTED)
    lines = []
    for line in text.split("\n"):
        bare = line.strip()
        if bare and (not bare.startswith(comment) or line.startswith("#!")):
            lines.append(bare if plain else line.rstrip())
    return "\n".join(lines) + "\n"


@functools.cache
def _python(text: str) -> str:
    # Lines are left out of the text: what `ast` would write of it is another one with each version of Python.
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):
        return text
    lines = text.split("\n")
    unread: set[int] = set()
    texts: set[int] = set()
    """The lines that belong to a docstring alone, and those of other texts of several lines, by number."""
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            last = node.end_lineno or node.lineno
            before = lines[node.lineno - 1].encode()[: node.col_offset].strip()
            after = lines[last - 1].encode()[node.end_col_offset :].strip()
            if not before and after[:1] in (b"", b"#") and "__doc__" not in text:
                unread.update(range(node.lineno, last + 1))
        elif isinstance(node, ast.Constant | ast.JoinedStr) and node.lineno != node.end_lineno:
            texts.update(range(node.lineno, (node.end_lineno or 0) + 1))
    kept = []
    for number, line in enumerate(lines, start=1):
        if number in unread:
            continue
        if number in texts:
            kept.append(line)
            continue
        commented = _COMMENTED.fullmatch(line) if "#" in line and not line.startswith("#!") else None
        if bare := (commented[1] if commented else line).rstrip():
            kept.append(bare)
    return "\n".join(kept) + "\n"
