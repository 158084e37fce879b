"""What of a file is right, and all that is wrong with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails


def valid_parts(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[ErrorDetails]]:
    """The fields of `model` that `values` has right, by their Python names, and every mistake in the others.

    Of a map of named things (hypervisors, gateways) those that are right are a part even when others are not. A model
    with mistakes is a part too, without the attributes that are wrong.
    """
    try:
        return dict(model.model_validate(values)), []
    except ValidationError as error:
        mistakes = error.errors()
    parts: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in values:
            if not field.is_required():
                parts[name] = field.get_default(call_default_factory=True)
            continue
        value = values[key]
        deeper = any(mistake["loc"][0] == key and len(mistake["loc"]) > 1 for mistake in mistakes)
        if deeper and isinstance(value, dict) and isinstance(inner := field.annotation, type):
            parts[name] = _without_mistakes(inner, value)
            continue
        if deeper and isinstance(value, dict):
            wrong = {mistake["loc"][1] for mistake in mistakes if mistake["loc"][0] == key and len(mistake["loc"]) > 1}
            value = {entry: item for entry, item in value.items() if entry not in wrong}
        try:
            parts[name] = _adapter(model, name).validate_python(value)
        except ValidationError:
            continue
    return parts, mistakes


def _without_mistakes(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    right, _ = valid_parts(model, values)
    found = model.model_construct(**right)
    # A default in place of what is wrong would be a lie.
    for name in model.model_fields.keys() - right.keys():
        found.__dict__.pop(name, None)
    return found


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)
