"""Reading YAML so that nothing in it gets lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from stacks.problems import SettingsError

# libyaml's parser is ten times as fast; without it the same comes slower.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Strict(_Loader):  # type: ignore[misc]
    """Refuses a key that stands twice in a map: YAML forbids it, and PyYAML takes the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f'"{key}" stands here twice', problem_mark=key_node.start_mark)
            seen.add(key)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read(project: Path, file: Path) -> dict[str, Any]:
    """The map in a YAML file of the project. Raises SettingsError when it holds anything else."""
    try:
        document = yaml.load((project / file).read_text(), _Strict)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "(the whole file)"
        raise SettingsError(str(file), [(where, f"is no YAML: {error.problem}")]) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(
            str(file), [("(the whole file)", f"cannot be read: {' '.join(str(error).split())}")]
        ) from None
    if not isinstance(document, dict):
        what = "is empty" if document is None else f"holds {type(document).__name__} where a map belongs"
        raise SettingsError(str(file), [("(the whole file)", what)])
    return document
