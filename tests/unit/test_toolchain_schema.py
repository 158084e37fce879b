"""The plugins built here serve what the published Python SDKs send: every property, in the same shape."""

from __future__ import annotations

import json
import subprocess
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pulumi
import pulumi_command
import pulumi_libvirt
import pytest
from pulumi import _types as sdk

from toolchain.paths import pulumi_environment
from toolchain.plugins import PLUGINS
from toolchain.pulumi import command

_RESOURCES = [
    ("libvirt:index/cloudInitDisk:CloudInitDisk", pulumi_libvirt.CloudInitDisk, pulumi_libvirt.CloudInitDiskArgs),
    ("libvirt:index/domain:Domain", pulumi_libvirt.Domain, pulumi_libvirt.DomainArgs),
    ("libvirt:index/network:Network", pulumi_libvirt.Network, pulumi_libvirt.NetworkArgs),
    ("libvirt:index/pool:Pool", pulumi_libvirt.Pool, pulumi_libvirt.PoolArgs),
    ("libvirt:index/volume:Volume", pulumi_libvirt.Volume, pulumi_libvirt.VolumeArgs),
    ("command:local:Command", pulumi_command.local.Command, pulumi_command.local.CommandArgs),
]
_SCALARS: dict[Any, str] = {
    str: "string", int: "integer", bool: "boolean", float: "number", Any: "any",
    pulumi.Asset: "asset", pulumi.Archive: "archive",
}  # fmt: skip


@cache
def _schema(package: str) -> Any:
    plugin = next(plugin for plugin in PLUGINS if plugin.name == package)
    ask = [command(), "package", "get-schema", str(plugin.installed)]
    told = subprocess.run(ask, env=pulumi_environment(), capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def _sent(annotation: Any) -> Any:
    """The shape of what the SDK sends or expects: a scalar's name, a list of one, a map to `*`, or properties."""
    if isinstance(annotation, type) and (sdk.is_input_type(annotation) or sdk.is_output_type(annotation)):
        return {name: _sent(of) for name, of in _properties(annotation).items()}
    if isinstance(annotation, type) and issubclass(annotation, str):
        return "string"
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union:
        return _sent(parts[0])
    if origin in (Sequence, list):
        return [_sent(parts[0])]
    if origin in (Mapping, dict):
        return {"*": _sent(parts[1])}
    return _SCALARS.get(annotation, str(annotation))


def _properties(arguments: type) -> dict[str, type]:
    return sdk.input_type_types(arguments) if sdk.is_input_type(arguments) else sdk.output_type_types(arguments)


def _served(spec: Any, types: Any) -> Any:
    """The same shape, of a property in a plugin's schema."""
    if reference := spec.get("$ref"):
        name = reference.rpartition("/")[2]
        if reference.startswith("pulumi.json"):
            return name.lower()
        spec = types[reference.removeprefix("#/types/")]
    if spec["type"] == "array":
        return [_served(spec["items"], types)]
    if spec["type"] == "object" and "properties" in spec:
        return {name: _served(of, types) for name, of in spec["properties"].items()}
    if spec["type"] == "object":
        return {"*": _served(spec["additionalProperties"], types)}
    return spec["type"]


def _differences(sent: Any, served: Any, path: str) -> list[str]:
    if isinstance(sent, dict) and isinstance(served, dict):
        unknown = [f"{path}.{name}: not served" for name in sent.keys() - served.keys()]
        common = sent.keys() & served.keys()
        return unknown + [
            found for name in common for found in _differences(sent[name], served[name], f"{path}.{name}")
        ]
    if isinstance(sent, list) and isinstance(served, list):
        return _differences(sent[0], served[0], f"{path}[]")
    return [] if sent == served else [f"{path}: the SDK has {sent}, the plugin {served}"]


@pytest.mark.parametrize(("token", "arguments"), [(token, arguments) for token, _, arguments in _RESOURCES])
def test_every_property_that_the_sdk_sends_is_served_in_its_shape(token: str, arguments: type) -> None:
    schema = _schema(token.partition(":")[0])
    inputs = schema["resources"][token]["inputProperties"]
    served = {name: _served(spec, schema.get("types", {})) for name, spec in inputs.items()}
    assert _differences(_sent(arguments), served, token) == []


@pytest.mark.parametrize(("token", "resource"), [(token, resource) for token, resource, _ in _RESOURCES])
def test_every_output_that_the_sdk_reads_is_served_in_its_shape(
    token: str, resource: type[pulumi.CustomResource]
) -> None:
    schema = _schema(token.partition(":")[0])
    outputs = schema["resources"][token]["properties"]
    served = {name: _served(spec, schema.get("types", {})) for name, spec in outputs.items()}
    read = {name: _sent(annotation) for name, annotation in sdk.resource_types(resource).items()}
    assert _differences(read, served, token) == []


def test_the_libvirt_provider_takes_its_uri_from_the_program_or_the_environment() -> None:
    uri = _schema("libvirt")["provider"]["inputProperties"]["uri"]
    assert uri["type"] == "string"
    assert uri["defaultInfo"]["environment"] == ["LIBVIRT_DEFAULT_URI"]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_each_plugin_has_the_version_that_its_sdk_asks_for(plugin: Any) -> None:
    module = {"libvirt": pulumi_libvirt, "command": pulumi_command}[plugin.name]
    assert _schema(plugin.name)["version"] == plugin.version == module._utilities.get_version()
