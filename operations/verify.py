"""`make verify`: the running guests against what was declared, because a refresh cannot see what a stylesheet set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from hosts.problems import Problem as HostProblem
from hosts.virsh import Hypervisor
from stacks.design import DATA_SERIAL, GatewayDesign, designs
from stacks.settings import Settings

PASS, DRIFT, CANNOT_TELL = 0, 1, 3


@dataclass(frozen=True)
class Finding:
    """One setting of one guest."""

    what: str
    declared: str
    found: str

    @property
    def agrees(self) -> bool:
        return self.declared == self.found


def verify(stack: str, settings: Settings) -> int:
    """Print one line per setting that differs, and a count. 0: all agree, 1: some differ, 3: could not tell."""
    console = Console()
    worst = PASS
    for design in designs(settings, stack, Path.cwd()):
        hypervisor = Hypervisor(settings.hypervisors[design.hypervisor].uri)
        try:
            state = hypervisor.virsh("domstate", design.domain).strip()
            xml = hypervisor.virsh("dumpxml", design.domain)
        except HostProblem as problem:
            console.print(f"{design.domain}: cannot tell: {problem}")
            worst = max(worst, CANNOT_TELL)
            continue
        findings = [Finding("state", "running", state), *compare(design, xml)]
        differing = [finding for finding in findings if not finding.agrees]
        console.print(f"{design.domain}: {len(findings)} settings, {len(differing)} differ")
        if differing:
            table = Table("what", "declared", "found", box=None)
            for finding in differing:
                table.add_row(finding.what, finding.declared, finding.found)
            console.print(table)
            worst = max(worst, DRIFT)
    return worst


def compare(design: GatewayDesign, domain_xml: str) -> list[Finding]:
    """Every setting that `domain_xml`, as libvirt reports it, can be asked for."""
    domain = ElementTree.fromstring(domain_xml)  # noqa: S314 - libvirt wrote it
    profile = design.profile

    def text(path: str) -> str:
        return (domain.findtext(path) or "(none)").strip()

    def attribute(path: str, name: str) -> str:
        element = domain.find(path)
        return element.get(name, "(none)") if element is not None else "(none)"

    disks = domain.findall("devices/disk[@device='disk']")
    findings = [
        Finding("uuid", design.uuid, text("uuid")),
        Finding("accelerator", profile.accelerator, domain.get("type", "")),
        Finding("vcpus", str(design.vcpus), text("vcpu")),
        Finding("memory KiB", str(design.memory >> 10), text("memory")),
        Finding(
            "machine", "q35", "q35" if "q35" in attribute("os/type", "machine") else attribute("os/type", "machine")
        ),
        Finding("cpu mode", profile.cpu_mode, attribute("cpu", "mode")),
        Finding("cpu cores", str(design.vcpus), attribute("cpu/topology", "cores")),
        Finding("network card", design.mac, attribute("devices/interface/mac", "address")),
        Finding("console log", design.console_log, attribute("devices/serial/log", "file")),
        Finding("disks", "2", str(len(disks))),
        Finding("data volume serial", DATA_SERIAL, disks[-1].findtext("serial") or "(none)" if disks else "(none)"),
    ]
    if profile.require_aes:
        findings.append(Finding("cpu aes", "require", attribute("cpu/feature[@name='aes']", "policy")))
    for number, disk in enumerate(disks, start=1):
        driver = disk.find("driver")
        found = driver.attrib if driver is not None else {}
        findings.append(Finding(f"disk {number} cache", profile.disk_cache, found.get("cache", "(none)")))
        findings.append(Finding(f"disk {number} io", profile.disk_io, found.get("io", "(none)")))
    return findings
