"""What the stack itself exported last: so that a deployment knows what it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pulumi

from stacks.history import Placed, generation, moved

_HOW_TO_MOVE = (
    'A data volume does not move by itself, so nothing was changed. See "Moving a gateway" in docs/operations.md.'
)


class History:
    """The outputs of the last successful deployment; a first one has none."""

    def __init__(self) -> None:
        name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        self._last = pulumi.StackReference(name)

    def generation(self, gateway: str, boot: str | None) -> pulumi.Output[int]:
        """The number of the gateway's proof; `boot` is the boot ID of the guest that runs now."""
        return self._last.get_output("proofs").apply(lambda proofs: generation(proofs, gateway, boot))

    def unless_moved(self, now: Mapping[str, Placed], value: str) -> pulumi.Output[str]:
        """`value`, or the end of the program when a gateway would change its machine."""

        def checked(before: Any) -> str:
            if found := moved(before, now):
                raise pulumi.RunError("\n".join([*found, _HOW_TO_MOVE]))
            return value

        return self._last.get_output("placement").apply(checked)


def proofs(results: Mapping[str, pulumi.Output[Any]], generations: Mapping[str, pulumi.Output[int]]) -> Any:
    """What the next deployment will ask `generation` about."""
    return {
        name: {"generation": generations[name], "boot": result.apply(lambda found: found and found.get("boot"))}
        for name, result in results.items()
    }


def placement(now: Mapping[str, Placed]) -> dict[str, Any]:
    """What the next deployment will ask `unless_moved` about."""
    return {name: asdict(placed) for name, placed in now.items()}
