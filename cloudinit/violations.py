"""Rules that look at several settings at once, reported together and each at its own setting."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


@dataclass(frozen=True)
class Violation:
    """One broken rule: where, the value found there, and the rule in words."""

    where: tuple[str | int, ...]
    value: object
    rule: str


def raise_all(title: str, found: list[Violation]) -> None:
    """Raise one `ValidationError` with a line for each problem; nothing when there is none."""
    if found:
        raise ValidationError.from_exception_data(title, [_details(problem) for problem in found])


def _details(problem: Violation) -> InitErrorDetails:
    message = problem.rule.replace("{", "{{").replace("}", "}}")
    return InitErrorDetails(
        type=PydanticCustomError("rule", message),
        loc=problem.where,
        input=problem.value,
    )
