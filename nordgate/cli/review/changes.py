"""What changes between two rendered trees of a stack, and what `pulumi up` would do about it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cloudinit import substance
from nordgate.cli.review.rendered import ALL_AT_ONCE, Tree, standings
from nordgate.deployment.transition import listed, transition
from nordgate.machine import canonical_stylesheet
from nordgate.settings.host_types import without_secrets
from nordgate.settings.units import shown

_GATEWAY = re.compile(r"gateways/([^/]+)/(.+)")
_IN_PLACE = {"smoke.json", "gateway.yaml"}
"""Of a gateway's texts, those that the guest is not made from."""


@dataclass(frozen=True)
class FileChange:
    """One text that changes, in the same way for several gateways perhaps."""

    path: str
    gateways: tuple[str, ...]
    """Empty for what is not a gateway's."""
    kind: str
    """`changed`, `added` or `removed`."""
    diff: str
    """Unified, without the two lines of file names."""

    @property
    def where(self) -> str:
        """The path as it stands in the tree."""
        names = f"{{{listed(self.gateways)}}}" if len(self.gateways) > 1 else "".join(self.gateways)
        return f"gateways/{names}/{self.path}" if names else self.path


@dataclass(frozen=True)
class StackChange:
    """Everything about one stack that a reviewer wants to know."""

    stack: str
    files: tuple[FileChange, ...]
    is_new: bool
    is_gone: bool
    """Whether its files are not there any more, which by itself deletes nothing on a host."""
    created: tuple[str, ...]
    replaced: tuple[str, ...]
    deleted: tuple[str, ...]
    commented: tuple[str, ...]
    """Gateways that stay as they are: of their files only comments and blanks are others."""
    checked: tuple[str, ...]
    """Gateways that stay as they are and are proved again."""
    hosts: tuple[str, ...]
    """Hypervisors whose connection, pool or network changes or goes."""
    new_hosts: tuple[str, ...]
    """Hypervisors that the stack comes to use."""
    grown: tuple[str, ...]
    """Gateways whose data volume grows in place."""
    refused: tuple[str, ...]
    """Sentences about what neither `pulumi up` nor `pulumi preview` does."""
    warned: tuple[str, ...]
    """Sentences about what they warn of."""
    parallel: bool
    """Whether gateways are updated all at once, not each after the proof of the one before."""
    ready_within: float
    """In seconds: how long a gateway that restarts may be away."""

    @property
    def interruption(self) -> str:
        """What clients may notice."""
        ends = [] if self.is_gone or not self.deleted else [f"{listed(self.deleted)} for good"]
        bound = f"up to {shown(self.ready_within)}" if self.ready_within else "until it is ready again"
        if len(self.replaced) > 1:
            bound += f" each, {'at the same time' if self.parallel else 'one after the other'}"
        return "; ".join([*([bound] if self.replaced else []), *ends]) or "none"


def stack_change(stack: str, before: Tree, after: Tree) -> StackChange | None:
    """How the stack's trees differ; None when they are the same. An empty tree is a stack that is not there."""
    paths = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    if not paths:
        return None
    were, are = _gateways(before), _gateways(after)
    touched: dict[str, set[str]] = {}
    for path in paths:
        if found := _GATEWAY.fullmatch(path):
            touched.setdefault(found[1], set()).add(found[2])
    both = [name for name in are if name in were]
    created, deleted = [name for name in are if name not in were], [name for name in were if name not in are]
    passage = transition(standings(before), standings(after))
    counting = {name: {path for path in touched.get(name, ()) if _counts(name, path, before, after)} for name in both}
    replaced = [name for name in both if "image.yaml" in paths or counting[name]]
    return StackChange(
        stack=stack,
        files=tuple(_file_changes(paths, before, after)),
        is_new=not before,
        is_gone=not after,
        created=tuple(created),
        replaced=tuple(replaced),
        deleted=tuple(deleted),
        commented=tuple(name for name in both if name not in replaced and touched.get(name, set()) - _IN_PLACE),
        checked=tuple(name for name in both if name not in replaced and "smoke.json" in touched.get(name, set())),
        hosts=_hosts(paths, before),
        new_hosts=tuple(name for name in _hosts(paths, after) if name not in _hosts(paths, before)),
        grown=tuple(name for name in both if _data_size(after, name) > _data_size(before, name)),
        refused=passage.refused,
        warned=passage.warned,
        parallel=any(_value(after, name, "updated") == ALL_AT_ONCE for name in are),
        ready_within=max((_ready_within(after, name) for name in replaced), default=0),
    )


def _counts(name: str, path: str, before: Tree, after: Tree) -> bool:
    """Whether a change of the gateway's text makes it another guest."""
    if path in _IN_PLACE:
        return False
    texts = [tree[f"gateways/{name}/{path}"] for tree in (before, after) if f"gateways/{name}/{path}" in tree]
    if path.startswith("files/"):
        texts = [substance(path.removeprefix("files"), text) for text in texts]
    elif path == "domain.xslt":
        texts = [canonical_stylesheet(text) for text in texts]
    return len(texts) == 1 or texts[0] != texts[1]


def _gateways(tree: Tree) -> list[str]:
    return list(dict.fromkeys(found[1] for path in tree if (found := _GATEWAY.fullmatch(path))))


def _hosts(paths: list[str], tree: Tree) -> tuple[str, ...]:
    """Those of `tree` that one of the paths is about."""
    return tuple(
        path[len("hosts/") :].removesuffix(".yaml") for path in paths if path.startswith("hosts/") and path in tree
    )


def _file_changes(paths: list[str], before: Tree, after: Tree) -> Iterator[FileChange]:
    """The changes, those that are the same for several gateways in one."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for path in paths:
        kind = "added" if path not in before else "removed" if path not in after else "changed"
        diff = _diff(before.get(path, ""), after.get(path, ""))
        found = _GATEWAY.fullmatch(path)
        gateways = same.setdefault((found[2] if found else path, kind, diff), [])
        if found:
            gateways.append(found[1])
    for (path, kind, diff), gateways in same.items():
        yield FileChange(path, tuple(gateways), kind, diff)


def _diff(before: str, after: str) -> str:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm=""))
    # The other side was rendered by its own code, which may have taken a password.
    return without_secrets("\n".join(lines[2:])) or "(only the end of the last line)"


def _value(tree: Tree, gateway: str, key: str) -> str:
    """What the gateway's facts say of `key`, which stands at the start of its line; nothing when they do not."""
    lines = tree[f"gateways/{gateway}/gateway.yaml"].splitlines()
    return next((line[len(key) + 1 :].strip() for line in lines if line.startswith(f"{key}:")), "")


def _data_size(tree: Tree, gateway: str) -> int:
    """In MiB."""
    return int(_value(tree, gateway, "  size").removesuffix("MiB"))


def _ready_within(tree: Tree, gateway: str) -> float:
    plan = json.loads(tree.get(f"gateways/{gateway}/smoke.json", "{}"))
    return float(plan.get("readiness", {}).get("timeoutSeconds", 0))
