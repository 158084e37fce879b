"""The preflight: whether this machine and the region's hosts can do what the stack asks, before anything is changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nordgate.design.gateway_design import GatewayDesign, image_name, shared_name
from nordgate.design.image import VerifiedImage
from nordgate.errors import HypervisorError
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.machine import derived_uuid, requires
from nordgate.machine.profile import PAGE_BYTES
from nordgate.preflight.demands import Finding, GuestDemand, HostDemand, Hugepages, OwnObject, Placement, State
from nordgate.preflight.gather_facts import gather_facts
from nordgate.preflight.host_checks import check
from nordgate.preflight.kvm import boots
from nordgate.preflight.provider import check_connection, plugin
from nordgate.settings.stack_settings import Settings

_PROVED = Path(".nordgate/preflight")
"""One file per host whose KVM ran a guest since it was booted."""

_PROGRAMS = {
    "xsltproc": ("xsltproc", "the libvirt provider transforms domains with it"),
    "virsh": ("libvirt-clients", "hosts and guests are asked through it"),
}
"""Program: its Debian package, and what for."""

Report = Mapping[str, Sequence[Finding]]
"""Findings by host, and by "this machine"."""


def preflight(
    stack: str, settings: Settings, image: VerifiedImage, designs: Collection[GatewayDesign], project: Path, boot: bool
) -> Report:
    """Look at all hosts at once. With `boot`, also start a small guest where the profile asks for KVM."""
    here = programs()
    if any(finding.subject == "virsh" and finding.state is State.FAIL for finding in here):
        return {"this machine": here}
    wanted = demands(stack, settings, image, designs, project)
    with ThreadPoolExecutor(len(wanted)) as pool:
        found = list(pool.map(lambda demand: _host(demand, stack, project if boot else None), wanted))
    seen: dict[str, HostDemand] = {}
    for demand, (findings, booted) in zip(wanted, found, strict=True):
        findings += _twice(demand, seen.setdefault(booted, demand)) if booted else ()
    return {"this machine": here, **{demand.host: host[0] for demand, host in zip(wanted, found, strict=True)}}


def connections(settings: Settings) -> Report:
    """Whether virsh and the provider reach the hosts: what `pulumi destroy`, which runs no program, cannot ask."""
    with ThreadPoolExecutor(len(settings.hypervisors)) as pool:
        found = pool.map(_connection, (host.uri for host in settings.hypervisors.values()))
        return {name: [finding] for name, finding in zip(settings.hypervisors, found, strict=True)}


def _connection(uri: str) -> Finding:
    try:
        Hypervisor(uri).virsh("version")
    except HypervisorError as problem:
        return _no_answer(problem)
    return check_connection(plugin(), uri, "")


def _no_answer(problem: HypervisorError) -> Finding:
    return Finding("connection", str(problem).rstrip("."), "an answer", State.FAIL)


def programs() -> list[Finding]:
    """What the provider and we call on this machine."""
    found = []
    for name, (package, why) in _PROGRAMS.items():
        path = shutil.which(name)
        wanted = f"on PATH: {why}" if path else f"on PATH (apt-get install {package}): {why}"
        found.append(Finding(name, path or "not on PATH", wanted, State.OK if path else State.FAIL))
    return found


def demands(
    stack: str, settings: Settings, image: VerifiedImage, designs: Collection[GatewayDesign], project: Path
) -> list[HostDemand]:
    """What each host of the stack must have, and what is made there."""
    shared = shared_name(stack)
    profile = settings.hardware
    found = []
    for name, host in settings.hypervisors.items():
        there = [gateway for gateway in designs if gateway.hypervisor == name]
        # A host may stand in the file under two names: what its guests take is compared as one.
        beside = [gateway for gateway in designs if settings.hypervisors[gateway.hypervisor].uri == host.uri]
        data = {gateway.data_name: gateway.data_bytes for gateway in there}
        image_file = {image_name(stack, image): _size(project / image.file)}
        found.append(
            HostDemand(
                host=name,
                uri=host.uri,
                prefix=stack,
                pool=OwnObject(shared, derived_uuid(stack, "pool", shared)),
                pool_path=host.pool_path,
                guests=tuple(
                    GuestDemand(
                        gateway.domain,
                        gateway.machine.uuid,
                        gateway.machine.mac,
                        settings.gateways[gateway.name].address,
                    )
                    for gateway in beside
                ),
                volumes=image_file if host.volume_group else image_file | data,
                volume_group=host.volume_group,
                group_volumes=data if host.volume_group else {},
                require_nvme=host.require_nvme,
                bridge=host.bridge,
                open_vswitch=host.open_vswitch,
                macvtap=host.macvtap,
                mtu=settings.network.mtu,
                network=None if host.ways else OwnObject(shared, derived_uuid(stack, "network", shared)),
                cidr=settings.network.cidr,
                machine_type=profile.machine_type,
                accelerator=profile.accelerator,
                cpu_mode=profile.cpu_mode,
                require_aes=profile.require_aes,
                requirements=tuple(requires(profile)),
                placements=_placements(beside),
                controllers={
                    gateway.name: address for gateway in beside if (address := gateway.machine.nvme_controller)
                },
                hugepages=_hugepages(beside),
            )
        )
    return found


def _placements(gateways: Sequence[GatewayDesign]) -> tuple[Placement, ...]:
    return tuple(
        Placement(
            gateway.name, own.cpus, own.emulator, own.iothreads, own.node, gateway.machine.profile.threads_per_core
        )
        for gateway in gateways
        if (own := gateway.machine.pinning)
    )


def _hugepages(gateways: Sequence[GatewayDesign]) -> tuple[Hugepages, ...]:
    return tuple(
        Hugepages(
            machine.pinning.node if machine.pinning else None,
            PAGE_BYTES[machine.profile.hugepages] >> 10,
            machine.memory // PAGE_BYTES[machine.profile.hugepages],
        )
        for machine in (gateway.machine for gateway in gateways)
        if machine.profile.hugepages
    )


def _size(file: Path) -> int:
    """In bytes; 0 for an image that is not downloaded yet."""
    return file.stat().st_size if file.exists() else 0


def _host(demand: HostDemand, stack: str, project: Path | None) -> tuple[list[Finding], str | None]:
    """What was found, and the identity of the host's last boot."""
    try:
        facts = gather_facts(demand)
        findings = check(demand, facts)
        findings.insert(1, check_connection(plugin(), demand.uri, facts.system))
        if project and demand.accelerator == "kvm" and not failures({demand.host: findings}):
            findings.append(_kvm(demand, stack, project / _PROVED, facts.boot))
    except HypervisorError as problem:
        return [_no_answer(problem)], None
    return findings, facts.boot


def _twice(demand: HostDemand, other: HostDemand) -> Iterator[Finding]:
    """One machine under two addresses: what guests are bound to is compared by address."""
    if demand.uri != other.uri and demand.placements and other.placements:
        found = f"booted when {other.host} did: it is that machine, under another address"
        yield Finding("machine", found, "one machine: give both the same uri", State.FAIL)


def _kvm(demand: HostDemand, stack: str, folder: Path, boot: str | None) -> Finding:
    """The KVM probe, once per boot of the host: what worked then works now."""
    key = json.dumps([demand.uri, demand.accelerator, demand.cpu_mode, boot])
    proved = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    if boot and proved.exists():
        return Finding("kvm boots", "a guest ran since the host was booted", "guest code that runs", State.OK)
    finding = boots(Hypervisor(demand.uri), f"nordgate-probe-{stack}", demand.accelerator, demand.cpu_mode)
    if boot and finding.state is State.OK:
        folder.mkdir(parents=True, exist_ok=True)
        proved.write_text(key + "\n")
    return finding


def has_unknown(report: Report) -> bool:
    """Whether something could not be told."""
    return any(finding.state is State.UNKNOWN for findings in report.values() for finding in findings)


def failures(report: Report) -> int:
    """How many findings stop a deployment."""
    return sum(finding.state is State.FAIL for findings in report.values() for finding in findings)


def table(report: Report, everything: bool = True) -> str:
    """All findings, or only those that are not well, one a line."""
    rows = [
        (place, finding)
        for place, findings in report.items()
        for finding in findings
        if everything or finding.state is not State.OK
    ]
    columns = [max((len(value) for value in column), default=0) for column in zip(*map(_cells, rows), strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(_cells(row), columns, strict=True)).rstrip() for row in rows
    ]
    return "\n".join(f"  {line}" for line in lines)


def _cells(row: tuple[str, Finding]) -> tuple[str, ...]:
    place, finding = row
    wanted = f"wanted: {finding.wanted}" if finding.state is not State.OK else ""
    return finding.state.value, place, finding.subject, finding.found, wanted


def summary(stack: str, report: Report) -> str:
    """What is not well, and a last line that says what that means."""
    count = sum(len(findings) for findings in report.values())
    failed = failures(report)
    line = f"preflight of {stack}: {count} findings, none of them in the way."
    if failed:
        line = f"preflight of {stack}: {failed} of {count} findings stop it; nothing was changed."
    return "\n".join(filter(None, [table(report, everything=False), line]))
