"""What of a file is right, and all that is wrong with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails


def valid_parts(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[ErrorDetails]]:
    """The fields of `model` that `values` has right, by their Python names, and every mistake in the others.

    Of a map of named things (hypervisors, gateways) those that are right are a part even when others are not.
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
        if isinstance(value, dict) and not _is_model(field.annotation):
            wrong = {mistake["loc"][1] for mistake in mistakes if mistake["loc"][0] == key and len(mistake["loc"]) > 1}
            value = {entry: item for entry, item in value.items() if entry not in wrong}
        try:
            parts[name] = _adapter(model, name).validate_python(value)
        except ValidationError:
            continue
    return parts, mistakes


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)
