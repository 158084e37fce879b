"""The guides and the site of them: every link leads somewhere, here and there, and no page is lost."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from docs import hooks
from tests.unit.sources import PROJECT, module_name, sources

NAVIGATION = (PROJECT / "mkdocs.yml").read_text().partition("\nnav:")[2].partition("\n\n")[0]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in addresses."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", hooks.guides())
def test_every_link_of_a_guide_leads_to_a_file_and_a_heading(page: str) -> None:
    for target in hooks.targets((PROJECT / page).read_text()):
        path = PROJECT / (hooks.place(target, page) or page)
        assert path.exists(), target
        if "#" in target:
            assert target.partition("#")[2] in anchors(path), target


def test_every_guide_is_in_the_navigation() -> None:
    listed = set(re.findall(r"(\S+\.md)$", NAVIGATION, re.MULTILINE))
    assert listed == {site for site in hooks.guides().values() if not site.startswith("decisions/")}


def test_the_reference_has_every_module_of_the_project() -> None:
    pages = "".join(map(hooks.reference, hooks.packages()))
    shown = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    modules = {
        module_name(path) for path in sources() if path.name != "__main__.py" and path != PROJECT / "docs/hooks.py"
    }
    assert shown == {name for name in modules if not name.rpartition(".")[2].startswith("_")}


@pytest.mark.parametrize(
    ("page", "link", "on_site"),
    [
        ("README.md", "docs/operations.md#backends", "operations.md#backends"),
        ("README.md", "docs/schema/stack.json", "schema/stack.json"),
        ("docs/operations.md", "../README.md", "index.md"),
        ("docs/operations.md", "#backends", "#backends"),
        ("docs/decisions/0001-pulumi-libvirt-0.5.4.md", "../../Makefile", "../files/Makefile.md"),
        ("docs/pull-requests.md", "../.github/workflows/deploy.yml", "files/github/workflows/deploy.yml.md"),
        ("docs/pull-requests.md", "https://example.net/a.md", "https://example.net/a.md"),
    ],
)
def test_a_link_is_led_to_its_place_on_the_site(page: str, link: str, on_site: str) -> None:
    assert hooks.led(f"see [`it`]({link}).", page) == f"see [`it`]({on_site})."


def test_a_folder_is_shown_by_what_is_in_it() -> None:
    assert "- [stack.json](../../schema/stack.json)\n" in hooks.shown("docs/schema")
    assert "- `go.mod`\n" in hooks.shown("toolchain/go_modules/actionlint")


@pytest.mark.parametrize("code", ["`[a](nowhere.md)`", "```\n[a](nowhere.md)\n```"])
def test_what_stands_in_code_is_no_link(code: str) -> None:
    assert hooks.led(code, "README.md") == code
    assert list(hooks.targets(code)) == []


@pytest.mark.parametrize("link", ["nowhere.md", "../../outside.md"])
def test_a_dead_link_is_a_warning_for_which_the_build_fails(link: str, caplog: pytest.LogCaptureFixture) -> None:
    hooks.led(f"[a]({link})", "docs/operations.md")
    assert [(record.levelno, link in record.message) for record in caplog.records] == [(logging.WARNING, True)]
    recipe = (PROJECT / "Makefile").read_text().partition("\ndocs:")[2].partition("\n\n")[0]
    assert "mkdocs build --strict\n" in recipe, "--quiet would hide the warnings from --strict too"


@pytest.mark.parametrize(
    ("html", "warned"),
    [
        ('<script src="https://cdn.example/a.js">', True),
        ('<link rel="stylesheet" href="https://cdn.example/a.css">', True),
        ('<img alt="" src=http://elsewhere.example/a.png>', True),
        ('<script src="assets/a.js"><a href="https://example.net/">', False),
    ],
)
def test_a_page_that_would_fetch_something_from_elsewhere_fails_the_build(
    html: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    assert hooks.on_post_page(html, page) == html
    assert bool(caplog.records) is warned


CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text()
EXAMPLES = re.findall(r"^\[(\S+)\]\((\S+)\):\n\n```\w+\n(.*?)^```$", CONTRIBUTING, re.MULTILINE | re.DOTALL)


def flat(code: str) -> str:
    """Without indentation: an example stands by itself where the code is part of something."""
    return "\n".join(line.strip() for line in code.strip().splitlines())


def test_every_example_of_contributing_says_where_it_stands() -> None:
    assert len(EXAMPLES) == len(re.findall(r"^```\w+$", CONTRIBUTING, re.MULTILINE))


@pytest.mark.parametrize(("title", "path", "code"), EXAMPLES, ids=[path for _, path, _ in EXAMPLES])
def test_an_example_of_contributing_is_the_projects_own_code(title: str, path: str, code: str) -> None:
    assert title == path
    assert flat(code) in flat((PROJECT / path).read_text())


def test_every_place_that_contributing_names_is_there() -> None:
    named = re.findall(r"`([\w.]+/[\w./]*)`", CONTRIBUTING)
    assert named
    assert [path for path in named if not (PROJECT / path).exists()] == []
