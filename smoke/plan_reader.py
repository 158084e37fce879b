"""A plan out of JSON text, or all its mistakes at once."""

from __future__ import annotations

import difflib

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from nordgate.errors import UsageError
from smoke.load import Budget, Load, Overhead, Vantage
from smoke.plan import GuestPromises, Libvirt, Plan, Trust
from smoke.plan_parts import Headers, KeepAlive, Paths, Readiness


def parse_plan(text: str, source: str) -> Plan:
    """The plan in `text`; every mistake in it is named at once: setting, rule, value."""
    try:
        return Plan.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        raise UsageError(_explain(error.errors(include_url=False), source)) from None


def _explain(details: list[ErrorDetails], source: str) -> str:
    rows = [(".".join(str(part) for part in detail["loc"]) or "(the whole)", _sentence(detail)) for detail in details]
    width = max(len(setting) for setting, _ in rows)
    lines = [f"  {setting:<{width}}   {sentence}" for setting, sentence in rows]
    count = "1 problem" if len(rows) == 1 else f"{len(rows)} problems"
    return "\n".join([source, *lines, f"{count}; nothing was checked."])


def _sentence(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(detail["loc"][-1]), _known(detail["loc"][:-1]), 1)
        return "unknown setting" + (f'; did you mean "{near[0]}"?' if near else "")
    rule = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if detail["type"] in ("missing", "json_invalid") or isinstance(detail["input"], dict):
        return rule if detail["type"] != "missing" else "is required"
    value = str(detail["input"])
    return f"{rule} (got {value[:60]}{'…' if len(value) > 60 else ''})"


def _known(path: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Plan
    models: dict[str, type[BaseModel]] = {
        "trust": Trust, "libvirt": Libvirt, "readiness": Readiness, "paths": Paths, "headers": Headers, "load": Load,
        "keepAlive": KeepAlive,
        "budget": Budget, "guest": GuestPromises,
        "routes": Budget, "vantages": Vantage, "overhead": Overhead,
    }  # fmt: skip
    for part in path:
        model = models.get(str(part), model)
    return [to_camel(name) for name in model.model_fields]
