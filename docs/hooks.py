"""What MkDocs does for this project's site beyond mkdocs.yml: pages from outside docs/, the reference, and links.

Links are written as they hold in the repository. On the site a link to a file that is no page leads to a page that
shows the file, so that no link leaves the site and none depends on where the repository is hosted.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "cloudinit/README.md": "cloudinit.md",
}
"""Pages that stand elsewhere in the repository, by their names on the site."""
_LOG = logging.getLogger("mkdocs.hooks")
"""MkDocs counts its warnings, and `--strict` fails for one."""
_LINK = re.compile(r"(?P<code>^ *```.*?^ *```|`[^`\n]+`)|(?<=\]\()(?P<target>[^)\s]+)(?=\))", re.MULTILINE | re.DOTALL)
_FETCHED = re.compile(r"""<(?:script|img|link rel=["']?stylesheet["']?)[^>]* (?:src|href)=["']?(https?:[^"'> ]+)""")
_LANGUAGES = {".go": "go", ".py": "python", ".sh": "bash", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml"}
_NOT_REFERENCED = ("tests", "docs")


def guides() -> dict[str, str]:
    """The Markdown files of the repository that are pages, by path, with their names on the site."""
    inside = {f"docs/{path.relative_to(CHECKOUT / 'docs')}" for path in (CHECKOUT / "docs").rglob("*.md")}
    return OUTSIDE | {path: path.removeprefix("docs/") for path in sorted(inside)}


def targets(text: str) -> Iterator[str]:
    """Every link of a Markdown text that is no address on the web."""
    for found in _LINK.finditer(text):
        if (target := found["target"]) and not re.match(r"[a-z]+:", target):
            yield target


def place(target: str, page: str) -> str:
    """The path in the repository that a link leads to from a page there; empty for the page itself."""
    path = target.partition("#")[0]
    return os.path.normpath(PurePosixPath(page).parent / path) if path else ""


def name_on_site(path: str) -> str:
    """What MkDocs calls the page, or the file, for a path in the repository."""
    if path in (known := guides()):
        return known[path]
    if path.startswith("docs/") and (CHECKOUT / path).is_file():
        return path.removeprefix("docs/")
    # MkDocs passes over names that begin with a full stop.
    return f"files/{path.lstrip('.')}.md"


def led(text: str, page: str) -> str:
    """The Markdown of a page with its links as they hold on the site."""
    here = PurePosixPath(name_on_site(page)).parent

    def changed(found: re.Match[str]) -> str:
        target = found["target"]
        if target is None or target not in set(targets(f"[]({target})")):
            return found[0]
        path = place(target, page)
        if not path:
            return target
        if path.startswith("..") or not (CHECKOUT / path).exists():
            _LOG.warning("%s: the link to %s leads to nothing in the repository", page, target)
            return target
        anchor = target[target.index("#") :] if "#" in target else ""
        return os.path.relpath(name_on_site(path), here) + anchor

    return _LINK.sub(changed, text)


def shown(path: str) -> str:
    """The page that shows a file of the repository, or what is in a folder."""
    file = CHECKOUT / path
    if file.is_dir():
        inside = sorted(one.relative_to(CHECKOUT).as_posix() for one in file.rglob("*") if one.is_file())
        listed = [f"- {_named(one, path)}\n" for one in inside if "__pycache__" not in one]
        return f"# {path}\n\n{''.join(listed)}"
    return f"# {path}\n\n````{_LANGUAGES.get(file.suffix, 'text')}\n{file.read_text()}\n````\n"


def _named(path: str, folder: str) -> str:
    """A file in the page that shows a folder: a link where the site has more of it than its name."""
    name, site = path.removeprefix(f"{folder}/"), name_on_site(path)
    here = PurePosixPath(name_on_site(folder)).parent
    return f"`{name}`" if site.startswith("files/") else f"[{name}]({os.path.relpath(site, here)})"


def packages() -> list[str]:
    """The dotted names of the project's packages."""
    # Not all of the checkout is looked through: the toolchain in it has tens of thousands of files.
    tops = [folder for folder in CHECKOUT.glob("[!.]*/") if folder.name not in _NOT_REFERENCED]
    folders = sorted(file.parent.relative_to(CHECKOUT) for top in tops for file in top.rglob("__init__.py"))
    return [".".join(folder.parts) for folder in folders]


def reference(package: str) -> str:
    """The page of one package: what its docstring says, then its modules."""
    folder = CHECKOUT.joinpath(*package.split("."))
    modules = [f"{package}.{file.stem}" for file in sorted(folder.glob("[!_]*.py"))]
    of_modules = "".join(f"\n::: {module}\n    options:\n      heading_level: 2\n" for module in modules)
    return f"::: {package}\n    options:\n      heading_level: 1\n{of_modules}"


def made() -> dict[str, tuple[str, str]]:
    """Every page that is made here, by its name on the site: the repository's path it stands for, and its text."""
    pages = {site: (path, (CHECKOUT / path).read_text()) for path, site in OUTSIDE.items()}
    for package in packages():
        pages[f"reference/{package}.md"] = ("", reference(package))
    for path in guides():
        for target in targets((CHECKOUT / path).read_text()):
            file = place(target, path)
            if file and (site := name_on_site(file)).startswith("files/") and (CHECKOUT / file).exists():
                pages[site] = ("", shown(file))
    return pages


def on_config(config: Any) -> Any:
    """Add to the navigation what would have to be listed there by hand."""
    decisions = sorted(site for site in guides().values() if site.startswith("decisions/"))
    config.nav += [
        {"Decisions": decisions},
        {"Reference": [{package: f"reference/{package}.md"} for package in packages()]},
    ]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here."""
    # MkDocs has an environment of its own.
    from mkdocs.structure.files import File  # type: ignore[import-not-found]

    for site, (_, text) in made().items():
        files.append(File.generated(config, site, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead the links of a guide to where they lead on the site."""
    paths = {site: path for path, site in guides().items()}
    path = paths.get(page.file.src_uri)
    return led(markdown, path) if path else markdown


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Hold that a page needs nothing from elsewhere: neither the network nor somebody else's server."""
    for address in _FETCHED.findall(output):
        _LOG.warning("%s: the page would fetch %s", page.file.src_uri, address)
    return output
