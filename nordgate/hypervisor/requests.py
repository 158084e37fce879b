"""The requests that Pulumi's state keeps: a protocol between the program that wrote one and every later one.

A deletion is carried out as it was recorded, perhaps by a program of years later: verbs stay, a request keeps every
field that it ever had, a new field has a default, fields that are not known are passed over, and what can no longer be
read so is a new version.
"""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from nordgate.errors import NordgateError

VERSION = 1
"""Of the requests that this program understands; one that does not say has the first."""


class Request(BaseModel):
    """What one verb is about."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1


Kind = TypeVar("Kind", bound=Request)


def read(kind: type[Kind], verb: str, text: str) -> Kind:
    """The request in `text`. Raises NordgateError when it is damaged, or of a later version than this program knows."""
    try:
        document = json.loads(text)
        version = document.get("version", 1)
    except (ValueError, AttributeError):
        raise NordgateError(
            f"the request to {verb} is no JSON object but {text[:80]!r}: look at it in the state."
        ) from None
    if isinstance(version, int) and version > VERSION:
        raise NordgateError(
            f"the request to {verb} is of version {version}, recorded by a later program than this, which knows "
            f"{VERSION}: run the checkout that the stack was deployed with last."
        )
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        places = ", ".join(dict.fromkeys(".".join(map(str, found["loc"])) for found in error.errors()))
        raise NordgateError(
            f"the request to {verb} is damaged: {places} missing or wrong in {text[:200]!r}. Look at it in the state."
        ) from None
