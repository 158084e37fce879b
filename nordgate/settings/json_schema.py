"""JSON Schemas of the stack and the region file, for editors, in docs/schema.

Made by `python -m nordgate.settings.json_schema`.
They are made from the same types that the files are parsed into. Rules between settings are not in them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nordgate.settings.stack_files import PROJECT
from nordgate.settings.stack_settings import Region, Stack

FOLDER = Path("docs/schema")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def documents() -> dict[str, str]:
    """The schemas by the names of their files."""
    return {"stack.json": _text(_stack()), "region.json": _text(_schema(Region, "A region of nordgate"))}


def _stack() -> dict[str, Any]:
    inner = _schema(Stack, "Settings of a stack")
    definitions = inner.pop("$defs")
    prefix = f"{PROJECT}:"
    inner["properties"] = {f"{prefix}{name}": schema for name, schema in inner["properties"].items()}
    inner["required"] = [f"{prefix}{name}" for name in inner["required"]]
    # Plugins and Pulumi itself have keys of their own there.
    inner["additionalProperties"] = True
    inner["propertyNames"] = {
        "if": {"pattern": f"^{prefix}"},
        "then": {"enum": list(inner["properties"])},
        "else": {"pattern": "^(pulumi|libvirt|command):"},
    }
    return {
        "title": "A stack of nordgate",
        "type": "object",
        "properties": {"config": inner, "encryptionsalt": {"type": "string"}, "secretsprovider": {"type": "string"}},
        "required": ["config"],
        "$defs": definitions,
    }


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema: dict[str, Any] = _without_numbers_of_texts(model.model_json_schema(by_alias=True))
    return schema | {"title": title}


def _without_numbers_of_texts(node: Any) -> Any:
    """Sizes and durations are texts in the file, whose bounds as numbers mean nothing to a checker."""
    if isinstance(node, list):
        return [_without_numbers_of_texts(item) for item in node]
    if not isinstance(node, dict):
        return node
    text = node.get("type") == "string"
    # What pydantic makes a title of is the name again.
    return {
        key: _without_numbers_of_texts(value)
        for key, value in node.items()
        if not (text and key in _NUMERIC) and not (key == "title" and isinstance(value, str))
    }


def _text(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, text in documents().items():
        (FOLDER / name).write_text(text)
