"""The types, Pulumi.yaml and the JSON Schemas say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic_core import PydanticUndefined

from nordgate.settings.json_schema import FOLDER, documents
from nordgate.settings.stack_files import region_file, region_names, stack_file, stack_names
from nordgate.settings.stack_settings import Stack
from nordgate.settings.yaml_documents import read

PROJECT = Path(__file__).parents[3]
DECLARED: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(documents()[name]))


@pytest.mark.parametrize("name", documents())
def test_the_schemas_in_the_docs_are_those_of_the_types(name: str) -> None:
    assert (PROJECT / FOLDER / name).read_text() == documents()[name], (
        "make them again: python -m nordgate.settings.json_schema"
    )


def test_pulumi_knows_every_key_and_no_other() -> None:
    assert list(DECLARED) == [field.alias for field in Stack.model_fields.values()]


@pytest.mark.parametrize("key", DECLARED)
def test_pulumi_has_the_type_default_and_description_of_each_key(key: str) -> None:
    field = next(field for field in Stack.model_fields.values() if field.alias == key)
    schema = json.loads(documents()["stack.json"])["properties"]["config"]["properties"][f"nordgate:{key}"]
    assert DECLARED[key]["type"] == schema.get("type", "object")
    assert DECLARED[key]["description"] == field.description
    if field.default is PydanticUndefined:
        assert "default" not in DECLARED[key]
    else:
        assert DECLARED[key]["default"] == (list(field.default) if isinstance(field.default, tuple) else field.default)


@pytest.mark.parametrize("stack", stack_names(PROJECT))
def test_the_schema_accepts_every_stack_file(stack: str) -> None:
    assert [
        error.message for error in validator("stack.json").iter_errors(read(PROJECT, stack_file(stack)).values)
    ] == []


@pytest.mark.parametrize("region", region_names(PROJECT))
def test_the_schema_accepts_every_region_file(region: str) -> None:
    assert [
        error.message for error in validator("region.json").iter_errors(read(PROJECT, region_file(region)).values)
    ] == []


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("nordgate:hardwear", {}),
        ("nordgate:budgetScale", 0),
        ("nordgate:budgetScale", "fifty"),
        ("nordgate:gateways", ["gw1"]),
        ("nordgate:hardware", {"profile": "fast", "vcpus": 1, "memory": "1GiB", "dataVolume": "1GiB"}),
        ("nordgate:hardware", {"profile": "portable", "vcpus": 1, "memory": "1GB", "dataVolume": "1GiB"}),
        ("nordgate:hardware", {"profile": "portable", "vcpus": 1, "memry": "1GiB", "dataVolume": "1GiB"}),
        ("region", "oslo"),
    ],
)
def test_the_schema_refuses_what_the_types_refuse(section: str, value: object) -> None:
    document = read(PROJECT, stack_file("oslo-test")).values
    document["config"][section] = value
    assert not validator("stack.json").is_valid(document)


@pytest.mark.parametrize("path", [stack_file(stack) for stack in stack_names(PROJECT)], ids=str)
def test_an_editor_finds_the_schema_of_every_stack_file(path: Path) -> None:
    _finds(path, "stack.json")


@pytest.mark.parametrize("path", [region_file(region) for region in region_names(PROJECT)], ids=str)
def test_an_editor_finds_the_schema_of_every_region_file(path: Path) -> None:
    _finds(path, "region.json")


def _finds(path: Path, name: str) -> None:
    first = (PROJECT / path).read_text().splitlines()[0]
    target = first.removeprefix("# yaml-language-server: $schema=")
    assert (PROJECT / path.parent / target).resolve() == PROJECT / FOLDER / name
