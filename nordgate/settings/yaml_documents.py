"""Reading YAML as Pulumi reads it, so that nothing in it gets lost or becomes something else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cloudinit.violations import Violation
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.yaml_scalars import Unclear, meaning

_PLAIN, _TEXT, _MERGE = "!plain", "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_MOST_VALUES, _DEEPEST = 20_000, 40
"""Far above what any stack has: what has more is no file of settings, and would only keep the program busy."""

# libyaml's parser is ten times as fast; without it the same comes slower.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Nodes(_Loader):  # type: ignore[misc]
    """Knows a word in quotes from one without, and leaves to nordgate.settings.yaml_scalars what the latter means."""


_Nodes.add_implicit_resolver(_PLAIN, re.compile(""), None)


@dataclass(frozen=True)
class Document:
    """The map in a file, and what in it Pulumi would read otherwise, or not at all."""

    values: dict[str, Any]
    problems: list[Violation] = field(default_factory=list)


def read(project: Path, file: Path) -> Document:
    """The map in a YAML file of the project. Raises SettingsError when it holds anything else."""
    whole = "(the whole file)"
    try:
        node = yaml.compose(_text(project / file), _Nodes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else whole
        raise SettingsError(
            str(file), [(where, f"is no YAML: {_SAID.get(str(error.problem), error.problem)}")]
        ) from None
    except _Unreadable as error:
        raise SettingsError(str(file), [(error.where, error.rule)]) from None
    except RecursionError:
        raise SettingsError(str(file), [(whole, f"is nested deeper than {_DEEPEST} levels")]) from None
    reader = _Reader()
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN and meaning(node.value) is None):
        raise SettingsError(str(file), [(whole, "is empty")])
    if not isinstance(node, yaml.MappingNode):
        what = "a list" if isinstance(node, yaml.SequenceNode) else "text"
        raise SettingsError(str(file), [(whole, f"holds {what} where a map belongs")])
    try:
        return Document(reader.value(node, ()), reader.problems)
    except _Unreadable as error:
        raise SettingsError(str(file), [(error.where, error.rule)]) from None


_SAID = {"but found another document": "there is a second document below, which Pulumi would pass over in silence"}
"""What the parser says in words of its own."""

_NO_NAME = "has a list or a map where a name belongs; a text that begins with a brace needs quotes"


class _Unreadable(Exception):
    def __init__(self, where: str, rule: str) -> None:
        super().__init__(rule)
        self.where, self.rule = where, rule


def _text(path: Path) -> str:
    """What is in the file. Raises _Unreadable where Pulumi would not read it either."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _Unreadable(f"line {line}", "holds bytes that are not UTF-8") from None
    except OSError as error:
        raise _Unreadable("(the whole file)", f"cannot be read: {error.strerror}") from None
    # YAML 1.2, 5.1; yaml.v3 refuses DEL besides.
    if found := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]", text):
        line = text.count("\n", 0, found.start()) + 1
        raise _Unreadable(f"line {line}", f"holds a control character, U+{ord(found[0]):04X}")
    return text


class _Reader:
    """Makes values of nodes, and keeps what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Violation] = []
        self._seen = 0
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, where: tuple[str | int, ...]) -> Any:
        self._seen += 1
        line = f"line {node.start_mark.line + 1}"
        if node in self._open:
            raise _Unreadable(line, "holds itself: an alias stands within what it stands for")
        if self._seen > _MOST_VALUES:
            raise _Unreadable(line, f"has more than {_MOST_VALUES:,} values, with what aliases repeat")
        if len(self._open) >= _DEEPEST:
            raise _Unreadable(line, f"is nested deeper than {_DEEPEST} levels")
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._map(node, where)
            if isinstance(node, yaml.SequenceNode):
                self._tag(node, where, "tag:yaml.org,2002:seq")
                return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, where)
        finally:
            self._open.pop()

    def _scalar(self, node: yaml.Node, where: tuple[str | int, ...]) -> Any:
        text: str = node.value
        if node.tag == _PLAIN:
            found = meaning(text)
            if not isinstance(found, Unclear):
                return found
            self.problems.append(Violation(where, text, f"{text} {found.rule}"))
            return text
        self._tag(node, where, _TEXT)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self.problems.append(Violation(where, None, "holds half of a Unicode character (a surrogate)"))
            return text.encode(errors="replace").decode()
        return text

    def _map(self, node: yaml.MappingNode, where: tuple[str | int, ...]) -> dict[str, Any]:
        self._tag(node, where, "tag:yaml.org,2002:map")
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        named: dict[str, yaml.Node] = {}
        for key, item in node.value:
            name = self._key(key, where)
            if name in named:
                first = named[name].start_mark.line + 1
                rule = f'"{name}" stands here twice, in line {first} and in line {key.start_mark.line + 1}'
                self.problems.append(Violation((*where, name), None, rule))
                continue
            named[name] = key
            # yaml.v3 merges for a key in quotes too.
            if name == "<<":
                merged = self._merged(item, where)
            else:
                own[name] = self.value(item, (*where, name))
        # In the order of the file, and what stands there itself before what is merged.
        return {**{name: value for name, value in merged.items() if name not in own}, **own}

    def _merged(self, node: yaml.Node, where: tuple[str | int, ...]) -> dict[str, Any]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not all(isinstance(part, yaml.MappingNode) for part in parts):
            rule = "merges what is no map: << needs a map, or a list of maps"
            self.problems.append(Violation((*where, "<<"), None, rule))
            return {}
        found: dict[str, Any] = {}
        for part in parts:
            for name, value in self.value(part, where).items():
                found.setdefault(name, value)
        return found

    def _key(self, node: yaml.Node, where: tuple[str | int, ...]) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _Unreadable(f"line {node.start_mark.line + 1}", _NO_NAME)
        name = self._scalar(node, (*where, node.value))
        if name is None:
            self.problems.append(Violation((*where, node.value), None, "has no name: put it in quotes if that is one"))
            return str(node.value)
        return str(name).lower() if isinstance(name, bool) else str(name)

    def _tag(self, node: yaml.Node, where: tuple[str | int, ...], own: str) -> None:
        if node.tag not in (own, "!"):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(Violation(where, None, f"has the tag {tag}: write the value without a tag"))
