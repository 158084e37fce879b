"""From a stack's configuration to its settings: out of Pulumi's hands, or straight from the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stacks.problems import SettingsError, rows
from stacks.settings import Settings

PROJECT = "nordgate"
FOLDER = Path("stacks")


def stack_file(stack: str) -> Path:
    """Where Pulumi keeps the stack's configuration, relative to the project."""
    return FOLDER / f"Pulumi.{stack}.yaml"


def stack_names(project: Path) -> list[str]:
    """Every stack that the project has a file for."""
    return sorted(path.name.split(".")[1] for path in (project / FOLDER).glob("Pulumi.*.yaml"))


def load_file(project: Path, stack: str) -> Settings:
    """The settings in the stack's file. Raises SettingsError with everything that is wrong in it."""
    path = project / stack_file(stack)
    source = str(stack_file(stack))
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        known = ", ".join(stack_names(project)) or "none"
        raise SettingsError(source, [("(the whole file)", f"there is no such stack; known: {known}")]) from None
    except yaml.YAMLError as error:
        raise SettingsError(source, [("(the whole file)", f"is no YAML: {' '.join(str(error).split())}")]) from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise SettingsError(source, [("config", "must be a map of the stack's settings")])
    return parse({str(key): value for key, value in config.items()}, source)


def load_config(config: Mapping[str, str], stack: str) -> Settings:
    """The settings in Pulumi's configuration of the running program, where objects are JSON text."""
    return parse({key: _decode(value) for key, value in config.items()}, str(stack_file(stack)))


def parse(config: Mapping[str, Any], source: str) -> Settings:
    """The settings among `config`'s `nordgate:` keys. Raises SettingsError."""
    prefix = f"{PROJECT}:"
    values = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(source, rows(Settings, error.errors())) from None


def _decode(value: str) -> Any:
    # Pulumi hands over a plain string bare and everything else as JSON.
    try:
        return json.loads(value)
    except ValueError:
        return value
