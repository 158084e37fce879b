"""From a stack's configuration to its settings: out of Pulumi's hands, or straight from the file."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from cloudinit.violations import Violation
from nordgate.settings import cross_stack_rules, stack_rules
from nordgate.settings.partial_validation import valid_parts
from nordgate.settings.settings_error import Row, SettingsError, row, rows
from nordgate.settings.stack_files import (
    PROJECT,
    region_file,
    region_names,
    stack_file,
    stack_names,
    why_not_named,
)
from nordgate.settings.stack_settings import Region, Settings, Stack
from nordgate.settings.yaml_documents import read

_NAMESPACES = {PROJECT, "pulumi", "libvirt", "command"}
"""The project's own keys, and those of Pulumi and of the plugins in use."""

_REGION = re.compile(rf"^\s*(?:{PROJECT}:)?region:\s*[\"']?([a-z0-9-]+)", re.MULTILINE)
"""Where a stack file that is no YAML says whose stack it is."""


def load_file(project: Path, stack: str) -> Settings:
    """The settings in the stack's file and its region's. Raises SettingsError with everything wrong in them."""
    source = str(stack_file(stack))
    if not (project / source).is_file():
        known = ", ".join(stack_names(project)) or "none"
        raise SettingsError(source, [("(the whole file)", f"there is no such stack; known: {known}")])
    try:
        config, problems = _config(project, stack)
    except SettingsError as error:
        # What is wrong in the region's file is told too, if it can be found.
        mentioned = _REGION.search((project / source).read_text(errors="replace"))
        _, in_region = _region(project, mentioned[1] if mentioned else "")
        raise SettingsError(*error.found[0], *in_region) from None
    encrypted = [key for key, value in config.items() if _is_encrypted(value)]
    return parse(config, stack, project, encrypted, problems)


def load_config(config: Mapping[str, str], stack: str, project: Path, encrypted: Collection[str] = ()) -> Settings:
    """The settings in Pulumi's configuration of the running program, where all is text and objects are JSON.

    What has come from the stack's file is read there: Pulumi's text no longer tells a number from a text, or 010 from
    8. `encrypted` are the keys that the stack file has encrypted; their values come in the clear.
    """
    handed = {key: _decoded(value) for key, value in config.items()}
    if not (project / stack_file(stack)).is_file():
        return parse(handed, stack, project, encrypted)
    written, problems = _config(project, stack)
    unclear = {problem.where[0] for problem in problems}
    for key, value in written.items():
        if key in handed and key not in encrypted and (key in unclear or _decoded(_handed(value)) == handed[key]):
            handed[key] = value
    return parse(handed, stack, project, encrypted, [problem for problem in problems if problem.where[0] in handed])


def parse(
    config: Mapping[str, Any],
    stack: str,
    project: Path,
    encrypted: Collection[str] = (),
    problems: Sequence[Violation] = (),
) -> Settings:
    """The settings of `config`'s `nordgate:` keys and of the region that they name. Raises SettingsError.

    None of them may be among the `encrypted` ones: what they say goes into guests as it is. `problems` are those of
    the file, which are told beside those of the settings.
    """
    prefix = f"{PROJECT}:"
    values = {
        (name := key.removeprefix(prefix)): _as_declared(name, value)
        for key, value in config.items()
        if key.startswith(prefix)
    }
    secret = [key for key in values if f"{prefix}{key}" in encrypted]
    own, mistakes = valid_parts(Stack, {key: value for key, value in values.items() if key not in secret})
    region = own.get("region", "")
    own_rows = [line for line in rows(Stack, mistakes, values) if line[0] not in secret]
    stack_rows = [
        *([("(its name)", reason)] if (reason := why_not_named(stack)) else []),
        *_foreign(config),
        *((key, "is encrypted, but would stand in the guests for all to read: no setting is secret") for key in secret),
        *_beside([_of_file(problem) for problem in problems], [_misplaced(line, region) for line in own_rows]),
    ]
    if region and region not in region_names(project):
        stack_rows.append(("region", cross_stack_rules.unknown_region(region, project)))
        del own["region"]
    shared, in_region = _region(project, region)
    region_rows = [line for _, lines in in_region for line in lines]
    parts = {**own, **shared, "stack": stack}
    whole = not (stack_rows or region_rows)
    for problem in (
        *stack_rules.violations(parts, whole),
        *stack_rules.until_invalid(cross_stack_rules.collisions(project, parts), whole),
        *stack_rules.until_invalid(cross_stack_rules.vantage_conflicts(project, parts), whole),
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
    origins = {name: cross_stack_rules.origin(project, stack, name) for name in sorted(from_where)}
    return Settings(**own, facts=facts, origins=origins)


def _config(project: Path, stack: str) -> tuple[dict[str, Any], list[Violation]]:
    """What the stack's file configures, by full keys, and what is wrong with how it is written there."""
    document = read(project, stack_file(stack))
    config = document.values.get("config")
    if not isinstance(config, dict):
        raise SettingsError(str(stack_file(stack)), [("config", "must be a map of the stack's settings")])
    problems = [
        Violation((_full(str(found.where[1])), *found.where[2:]), found.value, found.rule)
        for found in document.problems
        if found.where[:1] == ("config",) and len(found.where) > 1
    ]
    for key in config:
        if (full := _full(key)) != key and full in config:
            problems.append(Violation((full,), None, f'stands here twice, as "{key}" and as "{full}"'))
    return {_full(key): value for key, value in config.items()}, problems


def _region(project: Path, region: str) -> tuple[dict[str, Any], list[tuple[str, list[Row]]]]:
    """What is right in the region's file, and what is wrong there, under the file's name. Nothing without a file."""
    if region not in region_names(project):
        return {}, []
    try:
        document = read(project, region_file(region))
    except SettingsError as error:
        return {}, error.found
    shared, mistakes = valid_parts(Region, document.values)
    lines = _beside([row(problem) for problem in document.problems], rows(Region, mistakes, document.values))
    return shared, [(str(region_file(region)), lines)] if lines else []


def _beside(of_file: list[Row], of_settings: list[Row]) -> list[Row]:
    """What is wrong in how a file is written, and with its settings, unless it is said of the same setting."""
    told = {place for place, _ in of_file}
    return [*of_file, *(line for line in of_settings if line[0] not in told)]


def _of_file(problem: Violation) -> Row:
    place, rule = row(problem)
    return place.removeprefix(f"{PROJECT}:"), rule


def _full(key: str) -> str:
    """The key as Pulumi knows it: without a namespace, it is the project's."""
    return key if ":" in key else f"{PROJECT}:{key}"


def _handed(value: Any) -> str:
    """What Pulumi makes of a value of a stack file."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def _is_own(problem: Violation) -> bool:
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


def _as_declared(name: str, value: Any) -> Any:
    """On the first level, `pulumi config set` writes numbers and truth values in quotes, which Pulumi ignores."""
    field = next((field for field in Stack.model_fields.values() if field.alias == name), None)
    return _decoded(value) if isinstance(value, str) and field and field.annotation in (int, bool) else value


def _decoded(value: str) -> Any:
    # Pulumi hands over a plain string bare and everything else as JSON.
    try:
        return json.loads(value)
    except ValueError:
        return value
