"""What the stack itself exported last: so that a deployment knows what it follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from stacks.design import GatewayDesign
from stacks.history import Present, generation, incarnation, refusals

_ADVICE = "Data does not move or come back by itself, so nothing was changed: see docs/operations.md, data volumes."


class History:
    """The gateways of the last successful deployment; a first one has none."""

    def __init__(self, now: Mapping[str, Present], data: Mapping[str, str]) -> None:
        """`now` is what is found on the hosts, and `data` names the data volumes, both by gateway."""
        name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"

        def checked(before: Any) -> dict[str, Any]:
            if found := refusals(before, now, data):
                raise pulumi.RunError("\n".join([*found, _ADVICE]))
            return dict(before or {})

        self._now = now
        self._last = pulumi.StackReference(name).get_output("history").apply(checked)

    def generation(self, gateway: str) -> pulumi.Output[int]:
        """The number of the gateway's proof."""
        return self._last.apply(lambda last: generation(last.get(gateway), self._now[gateway]))

    def incarnation(self, design: GatewayDesign) -> pulumi.Output[int]:
        """The number of the gateway's guest."""
        present = self._now[design.name]
        return self._last.apply(
            lambda last: incarnation(last.get(design.name), present, design.own_volumes, design.own_prefixes)
        )

    def once_checked(self, value: str) -> pulumi.Output[str]:
        """`value`, when no gateway would lose its data."""
        return self._last.apply(lambda _: value)

    def entry(self, gateway: str, smoke: pulumi.Output[Any], volumes: list[pulumi.Output[str]]) -> dict[str, Any]:
        """What the next deployment will know of the gateway: `smoke` is the result of its check."""
        present = self._now[gateway]
        return {
            "generation": self.generation(gateway),
            "boot": smoke.apply(lambda found: found and found.get("boot")),
            "volumes": volumes,
            "hypervisor": present.hypervisor,
            "machine": present.machine,
        }
