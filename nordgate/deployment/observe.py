"""What is there of a stack's gateways before a deployment decides anything about them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from nordgate.deployment.history import FoundGateway
from nordgate.design.gateway_design import GatewayDesign, shared_name
from nordgate.errors import NordgateError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.observation import Observed, observe_host
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.machine import derived_uuid
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_settings import Settings

REBUILD = "NORDGATE_REBUILD"
"""The environment variable that names a gateway whose guest is made anew although it is the declared one."""


def observe_gateways(settings: Settings, designs: Mapping[str, GatewayDesign]) -> dict[str, FoundGateway]:
    """Every gateway as its host and its running guest show it. Raises HypervisorError."""
    by_host = {
        name: [design for design in designs.values() if design.hypervisor == name] for name in settings.hypervisors
    }
    with ThreadPoolExecutor(max_workers=8) as pool:
        hosts = {name: pool.submit(_observed, there) for name, there in by_host.items() if there}
        seen = {name: found.result() for name, found in hosts.items()}
        differ = {
            gateway: pool.submit(_differs, design, seen[design.hypervisor]) for gateway, design in designs.items()
        }
        return {
            gateway: _present(design, seen[design.hypervisor], differ[gateway].result())
            for gateway, design in designs.items()
        }


def undeclared(settings: Settings, stack: str) -> dict[str, str]:
    """The stack's guests that are defined on its hosts and that it does not declare: by gateway, the host.

    Raises HypervisorError.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = {
            name: pool.submit(_undeclared, host.uri, settings, stack) for name, host in settings.hypervisors.items()
        }
        return {gateway: host for host, there in found.items() for gateway in there.result()}


def _undeclared(uri: str, settings: Settings, stack: str) -> list[str]:
    hypervisor = Hypervisor(uri)
    domains = [name for name in hypervisor.virsh("list", "--all", "--name").split() if name.startswith(f"{stack}-")]
    others = [name for name in domains if name.removeprefix(f"{stack}-") not in settings.gateways]
    # Another stack's name may begin like this one's.
    ours = [name for name in others if hypervisor.virsh("domuuid", name).strip() == derived_uuid(stack, "domain", name)]
    return [name.removeprefix(f"{stack}-") for name in ours]


def rebuild(designs: Mapping[str, GatewayDesign]) -> Collection[str]:
    """The gateways that are to be made anew. Raises SettingsError when one is named that the stack has not."""
    names = os.environ.get(REBUILD, "").split()
    if unknown := [name for name in names if name not in designs]:
        sentence = f'there is no gateway "{unknown[0]}"; the stack has {", ".join(designs)}'
        raise SettingsError("environment", [(REBUILD, sentence)])
    return names


def _observed(there: list[GatewayDesign]) -> Observed:
    pools = {pool for design in there for pool in (shared_name(design.stack), design.data_pool)}
    data = [(design.data_pool, design.data_name) for design in there]
    return observe_host(there[0].uri, [design.domain for design in there], sorted(pools), data)


def _differs(design: GatewayDesign, seen: Observed) -> list[str]:
    """What the declared guest, where it runs, no longer is: of another one everything would differ."""
    # Loaded only where there is something to look into: what is refused before that is to be refused at once.
    from smoke import guest_proofs

    seed = design.seed_volume(design.mark).removesuffix(".raw")
    if design.domain not in seen.boots or not any(name.startswith(seed) for name in seen.in_use[design.domain]):
        return []
    promises = guest_proofs.promises_of(design.smoke_plan, design.name)
    try:
        return guest_proofs.look(GuestAgent(Hypervisor(design.uri), design.domain), promises)
    except NordgateError as problem:
        return [str(problem)]


def _present(design: GatewayDesign, seen: Observed, differs: Collection[str]) -> FoundGateway:
    domain = design.domain
    return FoundGateway(
        design.hypervisor,
        seen.machine,
        seen.boots.get(domain),
        seen.in_use.get(domain),
        sorted(seen.volumes),
        seen.sizes.get((design.data_pool, design.data_name)),
        seen.folders.get(shared_name(design.stack)),
        differs,
    )
