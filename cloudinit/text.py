"""From templates and values to text, the same bytes everywhere and always."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*")
_BLOCK = re.compile(r"[\n -~]*")
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}


def nginx_quoted(value: object) -> str:
    """A value as one nginx parameter that can be nothing else."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _compiled() -> dict[str, Template]:
    environment = Environment(
        loader=PackageLoader("cloudinit"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Each is rendered a few times: folding its constants would cost more than it saves.
        optimized=False,
        autoescape=False,  # noqa: S701 - nothing here is HTML; values are quoted by `q` and `sh`
    )
    environment.filters["q"] = nginx_quoted
    environment.filters["sh"] = shlex.quote
    return {name: environment.get_template(name) for name in environment.list_templates(extensions=["j2"])}


# Compiled with this module, as its own code is: the first gateway of a process is rendered as fast as the others.
_TEMPLATES = _compiled()


def rendered(template: str, **values: Any) -> str:
    """The text of one template, without the runs of empty lines that left-out parts leave."""
    text = _TEMPLATES[template].render(**values)
    text = re.sub(r"\n\n+(?= *}\n)", "\n", re.sub(r"\n{3,}", "\n\n", text))
    return text.strip("\n") + "\n"


def yaml_text(value: Mapping[str, Any]) -> str:
    """A mapping as YAML. Written here, so that no release of a YAML library can change a guest's seed."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, item in value.items():
        lines += _entry(f"{indent}{_scalar(key)}:", item, indent)
    return lines


def _entry(head: str, item: Any, indent: str) -> list[str]:
    if isinstance(item, Mapping) and item:
        return [head, *_mapping(item, indent + "  ")]
    if isinstance(item, list | tuple) and item:
        lines = [head]
        for element in item:
            lines += _element(element, indent + "  ")
        return lines
    if isinstance(item, str) and _is_block(item):
        body = [f"{indent}  {line}" if line else "" for line in item[:-1].split("\n")]
        return [f"{head} |", *body]
    return [f"{head} {_scalar(item)}"]


def _element(element: Any, indent: str) -> list[str]:
    if isinstance(element, Mapping) and element:
        lines = _mapping(element, indent + "  ")
        return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]
    return [f"{indent}- {_scalar(element)}"]


def _is_block(text: str) -> bool:
    """Whether a literal block holds the text unchanged."""
    return (
        text.endswith("\n")
        and not text.endswith("\n\n")
        and not text.startswith((" ", "\n"))
        and _BLOCK.fullmatch(text) is not None
    )


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
