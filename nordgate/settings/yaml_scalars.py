"""What a word without quotes means in a YAML file: YAML 1.2's core schema, and where Pulumi reads it otherwise.

Pulumi reads YAML with gopkg.in/yaml.v3. What the two of them take for different values, nobody may write: whoever
looks at the file sees one, and the stack is made from the other. tests/unit/settings/scalars.yaml has what the real
program makes of each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# What yaml.v3 takes for a number besides, once its underscores are gone.
_OF_PULUMI = (
    (re.compile(r"[-+]?0[oO]?([0-7]+)"), 8),
    (re.compile(r"[-+]?0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"[-+]?0[bB]([01]+)"), 2),
    (re.compile(r"[-+]?([0-9]+)"), 10),
)
_FLOAT_OF_PULUMI = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-(0?[1-9]|1[0-2])-([012]?[0-9]|3[01])([Tt ].*)?")
_LARGEST = 1 << 63
_LONGEST = 100
"""Characters; nobody writes a number of so many, and Python refuses to read one of 5,000."""


@dataclass(frozen=True)
class Unclear:
    """A word that Pulumi and YAML 1.2 read differently, and what is said of it."""

    rule: str


def meaning(text: str) -> bool | int | float | str | Unclear | None:
    """What a plain word is."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) > _LONGEST and re.fullmatch("[-+._0-9]+", text):
        return Unclear("is a number that Pulumi cannot hold")
    for pattern, base in ((_WHOLE, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            number = int(text.removeprefix("0o"), base)
            return number if abs(number) < _LARGEST else Unclear("is a number that Pulumi cannot hold")
    if _NOT_FINITE.fullmatch(text):
        return Unclear("is no number that a setting can have")
    if _DECIMAL.fullmatch(text):
        decimal = float(text)
        return decimal if abs(decimal) < float("inf") else Unclear("is a number that Pulumi cannot hold")
    return _unclear(text) or text


def _unclear(text: str) -> Unclear | None:
    """Why nobody should write this; None when it is text for everybody."""
    if _DATE.fullmatch(text):
        return Unclear(f'is a date to Pulumi, which writes it otherwise: put it in quotes, "{text}"')
    bare = text.replace("_", "")
    if not re.match(r"[-+0-9]|\.[0-9]", text):
        return None
    for pattern, base in _OF_PULUMI:
        if found := pattern.fullmatch(bare):
            number = int(found[1], base) * (-1 if bare.startswith("-") else 1)
            return Unclear(f'is {number} to Pulumi, and not to everybody: write {number}, or "{text}" if text is meant')
    if _FLOAT_OF_PULUMI.fullmatch(bare):
        shown = f"{float(bare):g}"
        return Unclear(f'is {shown} to Pulumi, and not to everybody: write {shown}, or "{text}" if text is meant')
    return None
