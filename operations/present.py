"""What is there of a stack's gateways before a deployment decides anything about them."""

from __future__ import annotations

from collections.abc import Mapping

from hosts.observe import observe
from stacks.design import GatewayDesign, shared_name
from stacks.history import Present
from stacks.settings import Settings


def now(settings: Settings, designs: Mapping[str, GatewayDesign]) -> dict[str, Present]:
    """Every gateway as its host shows it. Raises HypervisorProblem."""
    found = {}
    for name, host in settings.hypervisors.items():
        there = {gateway: design for gateway, design in designs.items() if design.hypervisor == name}
        if not there:
            continue
        pools = {pool for design in there.values() for pool in (shared_name(design.stack), design.data_pool)}
        seen = observe(host.uri, [design.domain for design in there.values()], sorted(pools))
        for gateway, design in there.items():
            domain = design.domain
            found[gateway] = Present(
                name, seen.machine, seen.boots.get(domain), seen.in_use.get(domain), sorted(seen.volumes)
            )
    return found
