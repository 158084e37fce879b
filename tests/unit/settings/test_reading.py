"""YAML is read as the real Pulumi reads it, and what it reads otherwise than everybody else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.settings.settings_error import SettingsError
from nordgate.settings.yaml_documents import read
from nordgate.settings.yaml_scalars import Unclear, meaning
from tests.pulumi_cli import pulumi
from tests.tables import first

SCALARS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("scalars.yaml").read_text())
KEPT = [case for case in SCALARS if "value" in case]
REFUSED = [case for case in SCALARS if "refused" in case]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a stack file to write, in a folder of its own."""
    folder = tmp_path_factory.mktemp("reading")
    (folder / "Pulumi.yaml").write_text("name: nordgate\nruntime: python\n")
    (folder / "state").mkdir()
    made = pulumi(folder, "stack", "init", "x", "--no-select")
    assert made.returncode == 0, made.stderr
    return folder


def of_pulumi(folder: Path, text: str) -> dict[str, Any] | str:
    """What Pulumi makes of a stack file, by key, or what it says instead."""
    (folder / "Pulumi.x.yaml").write_text(text)
    done = pulumi(folder, "config", "--json", "--stack", "x")
    if done.returncode:
        return done.stderr
    return {key.partition(":")[2]: item["value"] for key, item in json.loads(done.stdout).items()}


def ours(folder: Path, text: str) -> dict[str, Any] | str:
    """The same of our own reading; text when it is refused."""
    (folder / "ours.yaml").write_text(text)
    try:
        document = read(folder, Path("ours.yaml"))
    except SettingsError as error:
        return str(error)
    if document.problems:
        return "; ".join(problem.rule for problem in document.problems)
    found: dict[str, Any] = document.values["config"]
    return {key.partition(":")[2]: value for key, value in found.items()}


@pytest.mark.parametrize("case", KEPT, ids=lambda case: case["text"] or "nothing")
def test_a_word_without_quotes_is_what_it_is_to_everybody(case: dict[str, Any]) -> None:
    found = meaning(case["text"])
    assert (type(found), found) == (type(case["value"]), case["value"])


def test_pulumi_reads_every_such_word_alike(stack: Path) -> None:
    words = [case["text"] for case in KEPT]
    text = "config:\n  nordgate:all:\n" + "".join(f"    - {word}\n" for word in words)
    found = of_pulumi(stack, text)
    assert isinstance(found, dict), found
    assert dict(zip(words, json.loads(found["all"]), strict=True)) == {case["text"]: case["value"] for case in KEPT}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["text"])
def test_a_word_that_pulumi_reads_otherwise_is_refused(case: dict[str, Any]) -> None:
    found = meaning(case["text"])
    assert isinstance(found, Unclear)
    if isinstance(case["refused"], int | float) and abs(case["refused"]) < 1 << 63:
        assert f" {case['refused']} to Pulumi" in found.rule


def test_pulumi_reads_those_as_the_refusal_says(stack: Path) -> None:
    readable = [case for case in REFUSED if case["refused"] != "nothing"]
    text = "config:\n  nordgate:all:\n" + "".join(f"    - {case['text']}\n" for case in readable)
    found = of_pulumi(stack, text)
    assert isinstance(found, dict), found
    expected = {case["text"]: pytest.approx(case["refused"]) for case in readable}
    assert dict(zip((case["text"] for case in readable), json.loads(found["all"]), strict=True)) == expected
    for case in REFUSED:
        if case["refused"] == "nothing":
            assert "unsupported value" in of_pulumi(stack, f"config:\n  nordgate:a: [{case['text']}]\n")


ALIKE = {
    "merged keys": "nordgate:a: {b: &g {x: 1, z: 5}, c: {x: 2, <<: *g}, d: {<<: [{x: 3}, *g]}}",
    "a merge whose key is in quotes": 'nordgate:a: {b: {"<<": {y: 1}, x: 1}}',
    "keys that are no text": "nordgate:a: {1: one, true: yes, 1.5: x, 0x10: y}",
    "texts in quotes": 'nordgate:a: ["010", \'1_000\', \'true\', "null", "2024-01-02"]',
    "a text by its tag": "nordgate:a: [!!str 010, !!str true, !!str 2024-01-02]",
    "Unicode": 'nordgate:a: ["\\u00e9\\u2028\\U0001F600", å, 語]',
    "empty entries": "nordgate:a: {b: , c: [~, ], d: {}}",
    "colons without blanks": "nordgate:a: {x:1}",
    "a key without the project's name": "region: oslo",
    "texts of several lines": "nordgate:a:\n    b: |\n      one\n      two\n    c: >-\n      one\n      two",
}


@pytest.mark.parametrize("name", first(2, ALIKE))
def test_a_document_is_read_alike(name: str, stack: Path) -> None:
    text = f"config:\n  {ALIKE[name]}\n"
    theirs, found = of_pulumi(stack, text), ours(stack, text)
    assert isinstance(theirs, dict), theirs
    assert isinstance(found, dict), found
    for key, value in theirs.items():
        (own,) = [item for name, item in found.items() if key in (name, "region")]
        assert own == (value if isinstance(own, str) else json.loads(value))


REFUSED_BY_BOTH = {
    "a key that stands twice": "nordgate:a: {x: 1, x: 2}",
    "a merge that stands twice": "nordgate:a: {b: &g {x: 1}, c: {<<: *g, <<: *g}}",
    "a merge of nothing": "nordgate:a: {c: {<<: ~, x: 1}}",
    "a merge of text": "nordgate:a: {c: {<<: foo, x: 1}}",
    "an alias within itself": "nordgate:a: &a [*a]",
    "an alias of nothing": "nordgate:a: *x",
    "a map for a key": "nordgate:a: {{ tz }}",
    "half a character": 'nordgate:a: "\\ud800"',
    "a control character": "nordgate:a: 'x\u0080y'",
    "a deletion": "nordgate:a: 'x\u007fy'",
    "a bad tag": "nordgate:a: {b: !!int foo}",
    "nothing between commas": "nordgate:a: [a, , b]",
    "a tab before a key": "nordgate:a:\n\tb: 1",
    "aliases of aliases": "nordgate:l0: &l0 [x]\n"
    + "".join(f"  nordgate:l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9)),
}


@pytest.mark.parametrize("name", first(2, REFUSED_BY_BOTH))
def test_what_pulumi_cannot_read_is_refused(name: str, stack: Path) -> None:
    text = f"config:\n  {REFUSED_BY_BOTH[name]}\n"
    assert isinstance(of_pulumi(stack, text), str)
    assert isinstance(ours(stack, text), str)


REFUSED_BY_US = {
    "a second document": ("nordgate:a: 1\n---\nconfig:\n  nordgate:a: 2", "would pass over in silence"),
    "a tag of somebody's": ("nordgate:a: {b: !secret x}", "has the tag !secret"),
    "a tag for a number": ('nordgate:a: {b: !!int "7"}', "has the tag !!int"),
    "a key that is a date": ("nordgate:a: {2024-01-02: x}", "is a date to Pulumi"),
    "a key that is octal": ("nordgate:a: {010: x}", "010 is 8 to Pulumi"),
    "a key that is nothing": ("nordgate:a: {~: x}", "has no name"),
}


@pytest.mark.parametrize("name", first(2, REFUSED_BY_US))
def test_what_pulumi_reads_otherwise_or_passes_over_is_refused(name: str, stack: Path) -> None:
    document, words = REFUSED_BY_US[name]
    text = f"config:\n  {document}\n"
    assert isinstance(of_pulumi(stack, text), dict)
    assert words in str(ours(stack, text))


@pytest.mark.parametrize("text", ["[" * 3000, "{a: " * 3000, "- " * 3000 + "x", "a: " + "[" * 50 + "]" * 50])
def test_a_file_that_is_nested_without_end_ends_in_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SettingsError, match="1 problem; nothing was changed"):
        read(tmp_path, Path("x.yaml"))


@pytest.mark.parametrize("content", [b"a: \xff\n", b"\xff\xfe", b"a: \x00\n", "a: \ufffe".encode(), b"\r\r: \xc0\x80"])
def test_bytes_that_are_no_text_end_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"line \d+ +holds "):
        read(tmp_path, Path("x.yaml"))
