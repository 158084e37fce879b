"""What the stack itself exported last: so that a deployment knows what it follows."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

import pulumi

from nordgate.deployment.history import FoundGateway, check_number, deployed, guest_number, refusals, unfinished
from nordgate.deployment.transition import GatewayRecord, transition
from nordgate.design.gateway_design import GatewayDesign

_ADVICE = "Nothing was changed: see docs/operations.md, data volumes."

_STATE_ADVICE = "Nothing was changed: see docs/operations.md, where state lives."

# A state in a folder is read while the engine writes it: for an instant the file beside it is empty.
_HALF_WRITTEN = "failed to load checkpoint: EOF"
_PATIENCE = 5.0  # seconds


def own_outputs() -> dict[str, Any]:
    """What the stack exported in its last successful deployment; a first one has nothing. Raises RunError."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            # What a StackReference calls too; as a resource, its outputs would be drift after every deployment.
            found = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
        except Exception as error:  # the SDK raises nothing narrower
            if not str(error).endswith(_HALF_WRITTEN) or time.monotonic() > deadline:
                why = str(error).strip().rpartition("\n")[2]
                raise pulumi.RunError(f"{name} cannot be asked what it exported last: {why}. {_STATE_ADVICE}") from None
            time.sleep(0.1)
        else:
            return found.get("outputs") or {}


class History:
    """The gateways of the last successful deployment; a first one has none."""

    def __init__(
        self,
        now: Mapping[str, FoundGateway],
        data: Mapping[str, str],
        declared: Mapping[str, GatewayRecord],
        undeclared: Mapping[str, str],
        rebuild: Collection[str] = (),
    ) -> None:
        """By gateway, `now` is what is found on the hosts, `data` names the data volume, and `declared` is to stand.

        `undeclared` are the hosts of the stack's guests that stand and are not declared, `rebuild` names gateways
        whose guests are made anew although they are the declared ones. Raises RunError when the deployment would take
        a gateway's data or address, and warns of what it cannot take back.
        """
        outputs = own_outputs()
        before = outputs.get("history") or {}
        change = transition(deployed(before, outputs.get("addresses") or {}, now), declared)
        failed = unfinished(before, now, undeclared)
        if said := [*refusals(before, now, data), *(f"{sentence}." for sentence in change.refused), *failed]:
            raise pulumi.RunError("\n".join([*said, _ADVICE]))
        for sentence in change.warned:
            pulumi.log.warn(f"{sentence}.")
        self._now, self._before, self._rebuild, self._declared = now, before, rebuild, declared

    def check_number(self, gateway: str) -> int:
        """The number of the gateway's proof."""
        return check_number(self._before.get(gateway), self._now[gateway])

    def guest_number(self, design: GatewayDesign) -> int:
        """The number of the gateway's guest."""
        last, present = self._before.get(design.name), self._now[design.name]
        anew = design.name in self._rebuild
        return guest_number(last, present, design.own_volumes, design.own_prefixes, anew)

    def entry(self, gateway: str, smoke: pulumi.Output[Any], volumes: list[str]) -> dict[str, Any]:
        """What the next deployment will know of the gateway: `smoke` is the result of its check."""
        present = self._now[gateway]
        return {
            "generation": self.check_number(gateway),
            "boot": smoke.apply(lambda found: found and found.get("boot")),
            "volumes": volumes,
            "hypervisor": present.hypervisor,
            "machine": present.machine,
            "standing": self._declared[gateway].known(),
        }
