"""Where the files of stacks and regions lie, relative to the project.

`python3 -m nordgate.settings.stack_files` lists production, and with a name says whether there is such a stack.

Standard library only: workflows ask it where nothing has been installed.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from pathlib import Path

PROJECT = "nordgate"
FOLDER = Path("stacks")
_OF_ENVIRONMENTS = ("-preview", "-drift")
"""How the environments end whose credentials a stack's pull requests and its nightly comparison are given."""


def stack_file(stack: str) -> Path:
    """Where Pulumi keeps the stack's configuration."""
    return FOLDER / f"Pulumi.{stack}.yaml"


def region_file(region: str) -> Path:
    """What the stacks of the region share."""
    return FOLDER / "regions" / f"{region}.yaml"


def stack_names(project: Path) -> list[str]:
    """Every stack that the project has a file for."""
    return sorted(path.name.split(".")[1] for path in (project / FOLDER).glob("Pulumi.*.yaml"))


def region_names(project: Path) -> list[str]:
    """Every region that the project has a file for."""
    return sorted(path.stem for path in (project / FOLDER / "regions").glob("*.yaml"))


def is_test(stack: str) -> bool:
    """Whether the stack is a throw-away one: its name says so, to the Makefile too."""
    return stack.endswith("-test")


def why_not_named(stack: str) -> str | None:
    """Why no stack can have the name; None when one can."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", stack):
        return f'"{stack}" is no name of a stack: lower-case letters, digits and "-", a letter first, 41 at most'
    if stack.endswith(_OF_ENVIRONMENTS):
        return f'"{stack}" would be given the credentials of an environment of {stack.rpartition("-")[0]}'
    return None


def why_unknown(stack: str, project: Path) -> str | None:
    """Why there is no such stack, and which one may be meant; None when there is one."""
    known = stack_names(project)
    if stack in known:
        return None
    close = difflib.get_close_matches(stack, known, n=1)
    meant = f'; did you mean "{close[0]}"?' if close else ""
    return f'there is no stack "{stack}" ({stack_file(stack)}): the project has {", ".join(known)}{meant}'


def main() -> None:
    """Print the production stacks as JSON, for the workflows; or say that the one that is named does not exist."""
    if len(sys.argv) > 1:
        if problem := why_unknown(sys.argv[1], Path.cwd()):
            print(f"nordgate: {problem}", file=sys.stderr)
            sys.exit(2)
        return
    found = [stack for stack in stack_names(Path.cwd()) if not is_test(stack)]
    # They become names of environments, and words of commands.
    if problem := next(filter(None, map(why_not_named, found)), None):
        sys.exit(f"nordgate: {problem}.")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
