"""A setting's mistake in an operator's words: the value as the file has it, and the rule that it breaks."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import ErrorDetails

from nordgate.settings.units import shown

_SHOWN = 60


def sentence(detail: ErrorDetails, given: Any) -> str:
    """What is wrong with the value `given`, of which pydantic says `detail`."""
    kind = detail["type"]
    if kind in ("rule", "value_error"):
        rule = shortened(detail["msg"].removeprefix("Value error, "), given)
        # Rules of a whole section name what they are about.
        if _stands_in(given, rule) or (kind == "rule" and isinstance(given, dict | None)):
            return rule
    else:
        rule = _rule(kind, detail.get("ctx", {}), given) or detail["msg"]
    return f"is empty: {rule}" if given is None else f"{_value(given)}: {rule}"


def shortened(rule: str, given: Any) -> str:
    """The rule with as much of a long value in it as a line has room for."""
    return rule.replace(given, _cut(given)) if isinstance(given, str) else rule


def _stands_in(given: Any, rule: str) -> bool:
    text = _cut(str(given))
    return re.search(rf"(?<![\w.:/-]){re.escape(text)}(?!\w|[.:/-]\w)", rule) is not None if text else '""' in rule


def _value(given: Any) -> str:
    """As the file has it, as far as a line has room."""
    if isinstance(given, str):
        text = given or '""'
    elif isinstance(given, bool | list | dict):
        text = json.dumps(given, ensure_ascii=False, default=str)
    else:
        text = str(given)
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _rule(kind: str, context: dict[str, Any], given: Any) -> str | None:
    """The rule by pydantic's name of the mistake; None for one that no setting can have."""
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}"
    if kind == "string_type":
        return "must be text" if isinstance(given, list | dict | None) else "must be text: put it in quotes"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters"
    if kind == "literal_error":
        return f"must be {context['expected'].replace(chr(39), '')}"
    if kind == "too_short":
        return "needs at least one entry" if context["min_length"] == 1 else f"needs {context['min_length']} entries"
    if kind == "too_long":
        return f"has more than {context['max_length']} entries"
    if kind in _BOUNDS:
        (limit,) = context.values()
        if isinstance(given, str):
            limit = f"{limit >> 20}MiB" if given.endswith("iB") else shown(limit)
        return f"must be {_BOUNDS[kind]} {limit}"
    return None


_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "tuple_type": "a list",
    "ip_v4_address": "an IPv4 address such as 10.8.0.11",
}
_BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
