"""Numbers, truth values and texts that are taken for nothing else."""

from __future__ import annotations

from typing import Any, cast

from pydantic_core import CoreSchema, PydanticKnownError, core_schema

_KINDS = ("int", "float", "bool", "str")


def strict_kinds(schema: CoreSchema) -> CoreSchema:
    """The schema of a model with every number, truth value, text and address held to its kind.

    pydantic would take `true` for 1, and 5 for 0.0.0.5. Its own strictness refuses more: lists where tuples are meant,
    and addresses that are texts yet.
    """
    return cast(CoreSchema, _strict(schema))


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "lax-or-strict":
        return core_schema.no_info_before_validator_function(_no_number, cast(CoreSchema, schema))
    strict = {"strict": True} if schema.get("type") in _KINDS else {}
    return {key: _strict(value) for key, value in schema.items()} | strict


def _no_number(value: Any) -> Any:
    if value is None or isinstance(value, int | float | list | dict):
        raise PydanticKnownError("string_type")
    return value
