"""A walk over every setting that the JSON Schemas know: whatever stands there, the answer is a sentence.

Each setting is given what does not belong there, one by one, in files that are right otherwise.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.design.gateway_design import design
from nordgate.settings.json_schema import documents
from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import PROJECT as NAMESPACE
from tests.tables import first

WHOLE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("whole.yaml").read_text())
Setting = tuple[str | int, ...]

VALUES: dict[str, Any] = {
    "nothing": None,
    "no text": "",
    "a blank": " ",
    "an empty list": [],
    "an empty map": {},
    "a list in a list": [[]],
    "a list of nothing": [None],
    "a map of nothing": {"x": None},
    "true": True,
    "false": False,
    "a word of yesterday": "yes",
    "zero": 0,
    "one": 1,
    "below zero": -1,
    "a fraction": 1.5,
    "a tiny fraction": 1e-300,
    "a huge number": 9223372036854775807,
    "a huge fraction": 1e300,
    "a number in quotes": "10",
    "a text": "text",
    "a name": "gw-1",
    "Unicode": "øl ☃ 😀",
    "digits of another script": "\uff11\uff12",
    "two lines": "a\nb",
    "a control character": "a\u0000b",
    "a separator of lines": "a\u2028b",
    "letters that turn around": "a\u202eb",
    "a template": "{{ x }}",
    "a variable": "$host",
    "a command": "x; rm -rf / #",
    "quotes": "\"'`\\",
    "a long text": "x" * 5000,
    "a size of many digits": "9" * 400 + "GiB",
    "a size": "10GiB",
    "a duration": "1h",
    "a duration of many digits": "9" * 400 + "s",
    "an address": "10.81.0.99",
    "a network with bits beyond it": "10.81.0.1/24",
    "an address of IPv6": "2001:db8::1",
    "a broken address in brackets": "http://[::1/",
    "a path that leads up": "/srv/../etc",
    "a format": "%s {0} {x}",
}
"""What is put in place of each setting, by what it is."""

BY_ITS_KIND = {
    "string": (True, 1, 1.5, [], {}, [None]),
    "integer": (True, "text", "10", 1.5, [], {}),
    "number": (True, "text", "10", [], {}),
    "boolean": (0, 1, "yes", "true", [], {}),
    "array": (True, 1, "text", {"x": None}),
    "object": (True, 1, [], [None]),
}
"""Which of them are of the wrong kind for a setting: one sentence each, at that very setting."""

INNER_WORDS = re.compile(
    r"Input should|should be|valid (tuple|integer|string|dictionary|boolean|number|list)|validation|pydantic|function-"
    r"|Value error|\[type=|\bNone\b|\bTrue\b|\bFalse\b|NoneType|dictionary|instance of|object has no|<class|\btuple\b"
    r"|unable to|parsing|interpret|\\d|\[a-z|\[A-Za-z|\[0-9|\(\?|\{0,|octets|invalid literal|Expected|Exceeds|Traceback"
    r"|host bits|not permitted|lax-or|ctx|errors?\b.*pydantic"
)
"""Of validators, of Python, and of patterns."""


@dataclass(frozen=True)
class Place:
    """A setting in one of the two files, and the kinds that the schema allows there."""

    file: str
    path: Setting
    kinds: frozenset[str]

    def __str__(self) -> str:
        return ".".join(map(str, self.path)).removeprefix(f"{NAMESPACE}:")


def places() -> Iterator[Place]:
    """Every setting of both schemas; of maps and lists, the first entry of the sample."""
    for file, name in (("stack", "stack.json"), ("region", "region.json")):
        schema = json.loads(documents()[name])
        definitions = schema["$defs"]
        yield from _below(file, schema["properties"]["config"] if file == "stack" else schema, definitions, ())


def _below(file: str, schema: dict[str, Any], definitions: dict[str, Any], path: Setting) -> Iterator[Place]:
    choices = list(_choices(schema, definitions))
    schema = next((one for one in choices if "properties" in one), choices[0])
    if path:
        yield Place(file, path, frozenset(str(one["type"]) for one in choices))
    for name, inner in schema.get("properties", {}).items():
        yield from _below(file, inner, definitions, (*path, name))
    inner = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    sample = _at(WHOLE[file], path)
    if isinstance(inner, dict) and isinstance(sample, dict):
        yield from (place for name in list(sample)[:1] for place in _below(file, inner, definitions, (*path, name)))
    if "items" in schema:
        yield from _below(file, schema["items"], definitions, (*path, 0))


def _choices(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What may stand there, one after the other; a key without a value is another mistake."""
    if "$ref" in schema:
        yield from _choices(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _choices(one, definitions)
    elif schema["type"] != "null":
        yield schema


def _at(document: Any, path: Setting) -> Any:
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _with(document: Any, path: Setting, value: Any) -> Any:
    """A copy with `value` at the path, made where it is not there yet."""
    if not path:
        return value
    first, *rest = path
    found = copy.copy(document)
    if isinstance(first, int):
        found = found if isinstance(found, list) and found else [None]
        found[first] = _with(found[first], tuple(rest), value)
        return found
    found = found if isinstance(found, dict) else {}
    found[first] = _with(found.get(first), tuple(rest), value)
    return found


PLACES = list(places())
CASES = [(place, name) for place in PLACES for name in VALUES]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    (folder / "stacks/regions").mkdir(parents=True)
    return folder


def answer(project: Path, files: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What is said of the files: each file's lines. When nothing is, a gateway can be designed of them."""
    # JSON is YAML.
    (project / "stacks/Pulumi.oslo.yaml").write_text(json.dumps({"config": files["stack"]}, ensure_ascii=False))
    (project / "stacks/regions/oslo.yaml").write_text(json.dumps(files["region"], ensure_ascii=False))
    try:
        settings = load_file(project, "oslo")
    except SettingsError as error:
        return error.found
    design(settings, "oslo", "gw1", "0" * 64)
    return []


def test_the_sample_is_right(project: Path) -> None:
    assert answer(project, WHOLE) == []


def test_the_sample_has_every_setting_but_those_that_others_exclude() -> None:
    missing = {str(place) for place in PLACES if _at(WHOLE[place.file], place.path) is None}
    host, image = "hypervisors.host1", "image"
    keys = {"image.packages.key", "nginx.upstreams.api.tls.caCertificate", "smoke.caCertificate"}
    assert missing == {f"{host}.openVswitch", f"{host}.macvtap", f"{image}.url", f"{image}.sha512", *keys}


def _said(project: Path, place: Place, value: Any) -> list[tuple[str, str]]:
    """The lines, of which none has a validator's words, each on one line and none twice."""
    found = answer(project, WHOLE | {place.file: _with(WHOLE[place.file], place.path, value)})
    lines = [line for _, lines in found for line in lines]
    for where, sentence in lines:
        assert not INNER_WORDS.search(sentence), f"{where}: {sentence}"
        assert (where + sentence).isprintable(), f"{where}: {sentence!r}"
        assert len(sentence) < 800, f"{where}: {sentence}"
    assert len(set(lines)) == len(lines), lines
    return lines


def _check(project: Path, place: Place, name: str) -> None:
    lines = _said(project, place, VALUES[name])
    at_it = [where for where, _ in lines if where.startswith(str(place)) or str(place).startswith(where)]
    names = [str(part).removeprefix(f"{NAMESPACE}:") for part in place.path]
    assert at_it or not lines or any(name in sentence for _, sentence in lines for name in names), lines


@pytest.mark.parametrize("offset", first(2, range(4)))
def test_a_sample_of_the_walk(offset: int, project: Path) -> None:
    """Every value, and every setting several times; the whole walk is one of the long tests."""
    for place, name in CASES[offset::211]:
        _check(project, place, name)


@pytest.mark.long
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_whatever_stands_at_a_setting_the_answer_is_a_sentence_of_it(place: Place, project: Path) -> None:
    for name in VALUES:
        _check(project, place, name)


def _wrong_kinds(place: Place) -> list[Any]:
    lists = [BY_ITS_KIND[kind] for kind in place.kinds]
    # 1 and true are equal to Python.
    found = [value for value in lists[0] if all(repr(value) in map(repr, other) for other in lists)]
    # `pulumi config set` writes those of the first level in quotes.
    return [value for value in found if not (len(place.path) == 1 and value in ("10", "true"))]


@pytest.mark.parametrize("first", range(0, len(PLACES), 6))
def test_of_two_mistakes_each_is_told_as_if_it_were_alone(first: int, project: Path) -> None:
    # A prime far from everything, so that the two are of other sections and files as often as of the same.
    pair = [PLACES[first], PLACES[(first * 67 + 43) % len(PLACES)]]
    one, other = map(str, pair)
    if one.startswith(other) or other.startswith(one) or "region" in (one, other):
        return  # a mistake within a mistake is none, and of an unknown region nothing can be told
    wrong = [(place, _wrong_kinds(place)[first % len(_wrong_kinds(place))]) for place in pair]
    alone = [line for place, value in wrong for line in _said(project, place, value)]
    files = WHOLE
    for place, value in wrong:
        files = files | {place.file: _with(files[place.file], place.path, value)}
    together = [line for _, lines in answer(project, files) for line in lines]
    assert sorted(together) == sorted(alone), wrong


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_value_of_the_wrong_kind_is_one_mistake_at_its_setting(place: Place, project: Path) -> None:
    values = _wrong_kinds(place)
    _one_mistake(project, place, values[len(str(place)) % len(values)])


@pytest.mark.long
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_every_value_of_a_wrong_kind_is_one_mistake_at_its_setting(place: Place, project: Path) -> None:
    for value in _wrong_kinds(place):
        _one_mistake(project, place, value)


def _one_mistake(project: Path, place: Place, value: Any) -> None:
    lines = _said(project, place, value)
    assert len(lines) == 1, (value, lines)
    where, sentence = lines[0]
    assert where.startswith(str(place)), lines
    assert json.dumps(value) in sentence or str(value) in sentence or where != str(place), lines
