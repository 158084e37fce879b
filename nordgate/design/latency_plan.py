"""The part of the smoke check's plan that is about latency: what is measured, from where, and the limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from nordgate.settings.connection_rules import hypervisor_reach
from nordgate.settings.smoke_settings import Limits, Smoke, Vantage, timeout_seconds


def latency_plan(smoke: Smoke, hypervisor_uri: str, inside: str, origins: Mapping[str, str]) -> dict[str, Any]:
    """For a gateway on the hypervisor with that libvirt URI; `inside` is its HOST:PORT within the region.

    `origins` are the libvirt URIs of the hosts that other regions are measured from, by region.
    """
    return {
        "load": {
            "rate": smoke.rate,
            "durationSeconds": smoke.duration,
            "rounds": smoke.rounds,
            "connections": smoke.connections,
            "protocols": list(smoke.protocols),
            "timeoutSeconds": timeout_seconds(smoke),
        },
        "budget": _budget(smoke.budget),
        "routes": {path: _budget(limits) for path, limits in smoke.routes.items()},
        "retries": smoke.retries,
        "onInconclusive": smoke.on_inconclusive,
        **({"baseline": smoke.baseline} if smoke.baseline else {}),
        **({"vantages": _vantages(smoke.vantages, hypervisor_uri, inside, origins)} if smoke.vantages else {}),
    }


def _vantages(
    vantages: dict[str, Vantage], hypervisor_uri: str, inside: str, origins: Mapping[str, str]
) -> list[dict[str, Any]]:
    found = []
    for name, vantage in vantages.items():
        if vantage.region is not None:
            reach = hypervisor_reach(origins[vantage.region])
        else:
            reach = hypervisor_reach(hypervisor_uri) if vantage.reach == "hypervisor" else vantage.reach
        # What is measured from the region needs no way in from outside.
        connect = {} if vantage.reach == "local" else {"connect": inside}
        asked = {} if vantage.real_time is None else {"realTime": vantage.real_time}
        found.append({"name": name, "reach": reach, "budget": _budget(vantage.budget), **connect, **asked})
    return found


def _budget(limits: Limits) -> dict[str, Any]:
    """As a plan has it: milliseconds, and only what is said."""
    found: dict[str, Any] = {}
    for name, value in limits:
        if value is None:
            continue
        if name == "overhead":
            found[name] = {percentile: _milliseconds(limit) for percentile, limit in value if limit is not None}
        else:
            found[to_camel(name)] = _milliseconds(value) if name.startswith("p") else value
    return found


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 6)
