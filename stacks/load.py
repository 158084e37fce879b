"""From a stack's configuration to its settings: out of Pulumi's hands, or straight from the file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cloudinit.problems import Problem
from stacks import neighbours, rules
from stacks.documents import read
from stacks.files import PROJECT, region_file, region_names, stack_file, stack_names, why_not_named
from stacks.parts import valid_parts
from stacks.problems import Row, SettingsError, row, rows
from stacks.settings import Region, Settings, Stack

_NAMESPACES = {PROJECT, "pulumi", "libvirt", "command"}
"""The project's own keys, and those of Pulumi and of the plugins in use."""


def load_file(project: Path, stack: str) -> Settings:
    """The settings in the stack's file and its region's. Raises SettingsError with everything wrong in them."""
    source = str(stack_file(stack))
    if not (project / source).is_file():
        known = ", ".join(stack_names(project)) or "none"
        raise SettingsError(source, [("(the whole file)", f"there is no such stack; known: {known}")])
    config = read(project, stack_file(stack)).get("config")
    if not isinstance(config, dict):
        raise SettingsError(source, [("config", "must be a map of the stack's settings")])
    encrypted = [str(key) for key, value in config.items() if _is_encrypted(value)]
    return parse({str(key): value for key, value in config.items()}, stack, project, encrypted)


def load_config(config: Mapping[str, str], stack: str, project: Path, encrypted: Collection[str] = ()) -> Settings:
    """The settings in Pulumi's configuration of the running program, where objects are JSON text.

    `encrypted` are the keys that the stack file has encrypted; their values come in the clear.
    """
    return parse({key: _decoded(value) for key, value in config.items()}, stack, project, encrypted)


def parse(config: Mapping[str, Any], stack: str, project: Path, encrypted: Collection[str] = ()) -> Settings:
    """The settings of `config`'s `nordgate:` keys and of the region that they name. Raises SettingsError.

    None of them may be among the `encrypted` ones: what they say goes into guests as it is.
    """
    prefix = f"{PROJECT}:"
    values = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    secret = [key for key in values if f"{prefix}{key}" in encrypted]
    own, mistakes = valid_parts(Stack, {key: value for key, value in values.items() if key not in secret})
    region = own.get("region", "")
    own_rows = [line for line in rows(Stack, mistakes) if line[0] not in secret]
    stack_rows = [
        *([("(its name)", reason)] if (reason := why_not_named(stack)) else []),
        *_foreign(config),
        *((key, "is encrypted, but would stand in the guests for all to read: no setting is secret") for key in secret),
        *(_misplaced(line, region) for line in own_rows),
    ]
    shared: dict[str, Any] = {}
    region_rows: list[Row] = []
    if region and region not in region_names(project):
        stack_rows.append(("region", neighbours.unknown_region(region, project)))
        del own["region"]
    elif region:
        try:
            document = read(project, region_file(region))
        except SettingsError as error:
            raise SettingsError(str(stack_file(stack)), stack_rows, *error.found) from None
        shared, mistakes = valid_parts(Region, document)
        region_rows = rows(Region, mistakes)
    parts = {**own, **shared, "stack": stack}
    for problem in (
        *rules.broken(parts, not (stack_rows or region_rows)),
        *neighbours.collisions(project, parts),
        *neighbours.distances(project, parts),
    ):
        found = stack_rows if _is_own(problem) else region_rows
        place, rule = row(problem)
        # A section checks rules of its own too, and says the value before them.
        if not any(where == place and sentence.endswith(rule) for where, sentence in found):
            found.append((place, rule))
    if stack_rows or region_rows:
        raise SettingsError(str(stack_file(stack)), stack_rows, (str(region_file(region)), region_rows))
    facts = Region(**shared)
    from_where = {vantage.region for vantage in facts.smoke.vantages.values() if vantage.region}
    origins = {name: neighbours.origin(project, stack, name) for name in sorted(from_where)}
    return Settings(**own, facts=facts, origins=origins)


def _is_own(problem: Problem) -> bool:
    return str(problem.where[0]) in {field.alias for field in Stack.model_fields.values()}


def _foreign(config: Mapping[str, Any]) -> list[Row]:
    """Keys outside of every namespace that anything here reads: Pulumi itself would pass them over in silence."""
    return [
        (key, f'is read by nothing; did you mean "{PROJECT}:{key.rpartition(":")[2]}"?')
        for key in config
        if key.partition(":")[0] not in _NAMESPACES
    ]


def _is_encrypted(value: Any) -> bool:
    """Whether anything in a setting is as `pulumi config set --secret` writes it."""
    if isinstance(value, dict):
        return value.keys() == {"secure"} or any(map(_is_encrypted, value.values()))
    return isinstance(value, list) and any(map(_is_encrypted, value))


def _misplaced(line: Row, region: str) -> Row:
    if line[0] in {field.alias for field in Region.model_fields.values()} and line[1].startswith("unknown setting"):
        return line[0], f"is shared by the region's stacks: it belongs in {region_file(region or 'NAME')}"
    return line


def _decoded(value: str) -> Any:
    # Pulumi hands over a plain string bare and everything else as JSON.
    try:
        return json.loads(value)
    except ValueError:
        return value
