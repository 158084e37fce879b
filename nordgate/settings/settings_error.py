"""What is wrong with a stack file, told to the person who wrote it: setting, value, rule; all of it at once."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from cloudinit.violations import Violation
from nordgate.errors import NordgateError
from nordgate.settings.host_types import without_secrets
from nordgate.settings.wording import sentence, shortened

Row = tuple[str, str]
"""A setting's path in its file, and what is wrong with it."""


class SettingsError(NordgateError):
    """Files that cannot be used. The text lists every problem under its file, with its place there."""

    def __init__(self, source: str, rows: typing.Sequence[Row], *more: tuple[str, typing.Sequence[Row]]) -> None:
        self.found = [
            (file, [(_on_one_line(setting), without_secrets(_on_one_line(sentence))) for setting, sentence in lines])
            for file, lines in ((source, rows), *more)
            if lines
        ]
        width = max(len(setting) for _, lines in self.found for setting, _ in lines)
        total = sum(len(lines) for _, lines in self.found)
        text = []
        for file, lines in self.found:
            text += [file, *(f"  {setting:<{width}}   {sentence}" for setting, sentence in lines)]
        count = "1 problem" if total == 1 else f"{total} problems"
        super().__init__("\n".join([*text, f"{count}; nothing was changed."]))


def row(problem: Violation) -> Row:
    """A broken rule as a line of the list."""
    return _path(problem.where), shortened(problem.rule, problem.value)


def rows(model: type[BaseModel], details: typing.Iterable[ErrorDetails], values: Mapping[str, typing.Any]) -> list[Row]:
    """One row per problem that pydantic found while it parsed `values` as a `model`: the setting's path, a sentence."""
    found = list(details)
    lines: dict[tuple[tuple[int | str, ...], str], Row] = {}
    for detail in found:
        place = _in_file(model, detail["loc"], values)
        # Of what a value could be instead, pydantic tells every mistake: the first says enough.
        key = (place, "" if len(place) < len(detail["loc"]) else detail["msg"])
        if not _follows(detail, found):
            lines.setdefault(key, (_path(place), _sentence(model, detail, values)))
    return list(lines.values())


def _in_file(model: type[BaseModel], location: tuple[int | str, ...], values: typing.Any) -> tuple[int | str, ...]:
    """As much of the place as the file has: below a text or a number, there are only pydantic's own words."""
    current: typing.Any = values
    for depth, part in enumerate(location):
        if not isinstance(current, dict | list):
            # A setting's name stays: it is that of the long form, where the file has the short one.
            return location if str(part) in _known(model, location[:depth]) else location[:depth]
        try:
            current = typing.cast(typing.Any, current)[part]
        except (KeyError, IndexError, TypeError):
            return location
    return location


def _follows(detail: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """Whether a list is called too short only because what is in it was refused, item by item."""
    place = detail["loc"]
    below = (other["loc"] for other in found if len(other["loc"]) > len(place))
    return detail["type"] == "too_short" and any(other[: len(place)] == place for other in below)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "[key]") or "(the whole file)"


def _on_one_line(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _sentence(model: type[BaseModel], detail: ErrorDetails, values: Mapping[str, typing.Any]) -> str:
    if detail["type"] == "extra_forbidden":
        known = _known(model, detail["loc"][:-1])
        near = difflib.get_close_matches(str(detail["loc"][-1]), known, 1)
        return f'unknown setting; did you mean "{near[0]}"?' if near else f"unknown setting; known: {', '.join(known)}"
    if detail["type"] == "missing":
        return "is required"
    return sentence(detail, _given(values, detail))


def _given(values: Mapping[str, typing.Any], detail: ErrorDetails) -> typing.Any:
    """The value as the file has it: a size or a duration is a number by the time that its bounds are looked at."""
    if detail["loc"][-1:] == ("[key]",):
        return detail["input"]
    current: typing.Any = values
    for part in detail["loc"]:
        try:
            current = current[part]
        except (KeyError, IndexError, TypeError):
            return detail["input"]
    return current


def _known(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The names of the settings at `location`, found by walking the types."""
    current: object = model
    for part in location:
        current = _below(current, part)
    fields = getattr(current, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _below(annotation: object, part: int | str) -> object:
    """The type of what stands at `part` of a value of type `annotation`: of a model, a mapping or a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return _plain(fields.get(str(part)))
    arguments = [argument for argument in typing.get_args(annotation) if argument is not Ellipsis]
    return _plain(arguments[-1]) if arguments else None


def _plain(annotation: object) -> object:
    """Without `Annotated` and `| None`."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        present = [argument for argument in typing.get_args(annotation) if argument is not types.NoneType]
        return _plain(present[0])
    return annotation
