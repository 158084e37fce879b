"""Texts of a certain shape, refused in words and not with the pattern that they do not match."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Pattern:
    """Annotates a text: the whole of it must match the pattern (of Python and of JSON Schema); else, `rule` says what
    it must be."""

    pattern: str
    rule: str

    def check(self, value: str) -> str:
        """The value. Raises ValueError with the rule."""
        if not re.fullmatch(self.pattern, value):
            raise ValueError(self.rule)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^({self.pattern})$" if "|" in self.pattern else f"^{self.pattern}$"}
