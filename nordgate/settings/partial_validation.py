"""What of a file is right, and all that is wrong with the rest."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails


def valid_parts(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[ErrorDetails]]:
    """The fields of `model` that `values` has right, by their Python names, and every mistake in the others.

    A model with mistakes, and a map or a list of
    such models, is a part too, without the attributes that are wrong: a rule that needs one of them has to wait.
    """
    try:
        return dict(model.model_validate(values)), []
    except ValidationError as error:
        mistakes = error.errors()
    return _right(model, values, [detail["loc"] for detail in mistakes if detail["type"] != "rule"]), mistakes


class _Wrong(Exception):
    """Nothing of the value can be used."""


_Places = list[tuple[int | str, ...]]


def _right(model: type[BaseModel], values: Mapping[str, Any], wrong: _Places) -> dict[str, Any]:
    # What is left out is as the defaults have it, which may follow from another setting.
    left_out = getattr(model, "left_out", None)
    defaults = left_out(values) if left_out else None
    parts: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in values:
            kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            try:
                parts[name] = _part(kind, values[key], _below(wrong, key))
            except _Wrong:
                continue
        elif defaults is not None and key in defaults:
            parts[name] = defaults[key]
        elif defaults is None and not field.is_required():
            parts[name] = field.get_default(call_default_factory=True)
    return parts


def _part(kind: Any, value: Any, wrong: _Places) -> Any:
    """`value` as its `kind` has it, or as much of it as is right. Raises _Wrong when that is nothing."""
    if () in wrong:
        raise _Wrong
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError:
        inner = _without_annotations(kind)
    if _is_model(inner) and isinstance(value, dict):
        right = _right(inner, value, wrong)
        given = {name for name, field in inner.model_fields.items() if (field.alias or name) in value}
        found = inner.model_construct(given, **right)
        # A default in place of what is wrong would be a lie.
        for name in inner.model_fields.keys() - right.keys():
            found.__dict__.pop(name, None)
        return found
    arguments = typing.get_args(inner)
    if typing.get_origin(inner) is dict and isinstance(value, dict) and _is_model(_without_annotations(arguments[1])):
        return {
            _part(arguments[0], key, []): _part(arguments[1], item, _below(wrong, key)) for key, item in value.items()
        }
    if typing.get_origin(inner) is tuple and isinstance(value, list) and _is_model(_without_annotations(arguments[0])):
        return tuple(_part(arguments[0], item, _below(wrong, index)) for index, item in enumerate(value))
    raise _Wrong


def _below(places: _Places, key: int | str) -> _Places:
    return [place[1:] for place in places if place[:1] == (key,)]


def _is_model(kind: Any) -> typing.TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _without_annotations(kind: Any) -> Any:
    """Without `Annotated` and `| None`."""
    if typing.get_origin(kind) is Annotated:
        return _without_annotations(typing.get_args(kind)[0])
    present = [one for one in typing.get_args(kind) if one is not type(None)]
    return _without_annotations(present[0]) if type(None) in typing.get_args(kind) and len(present) == 1 else kind


def _adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(kind)
    except TypeError:  # not everything that annotates a kind has a hash
        return TypeAdapter(kind)


_cached_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
