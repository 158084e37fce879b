"""`make verify`: the running guests against what was declared, because a refresh sees neither what a stylesheet set
nor what is inside a guest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nordgate.design.gateway_design import GatewayDesign, designs, image_name, shared_name
from nordgate.design.image import declared
from nordgate.errors import NordgateError
from nordgate.hypervisor.agent import GuestAgent
from nordgate.hypervisor.domain_states import read_state
from nordgate.hypervisor.virsh import Hypervisor
from nordgate.machine import Machine, facts
from nordgate.settings.stack_files import stack_file
from nordgate.settings.stack_settings import Settings
from smoke import guest_proofs
from smoke.verdict import Verdict

PASS, DRIFT, CANNOT_TELL = 0, 1, 3


@dataclass(frozen=True)
class Finding:
    """One setting of one guest. `holds` says so where other values than the declared one will do."""

    what: str
    declared: str
    found: str
    holds: bool | None = None

    @property
    def agrees(self) -> bool:
        """Whether what was found is what was declared."""
        return self.declared == self.found if self.holds is None else self.holds


def verify(stack: str, settings: Settings) -> int:
    """Print one line per setting that differs, and a count. 0: all agree, 1: some differ, 3: could not tell of all."""
    console = Console()
    codes = [PASS]
    image = image_name(stack, declared(settings.image, Path.cwd(), str(stack_file(stack))))
    for design in designs(settings, stack, Path.cwd()):
        hypervisor = Hypervisor(settings.hypervisors[design.hypervisor].uri)
        findings: list[Finding] = []
        unknown: list[str] = []
        try:
            state = read_state(hypervisor.virsh("domstate", design.domain, "--reason"))
            findings += [
                Finding("state", "running", str(state), state.runs),
                *compare(design, hypervisor.virsh("dumpxml", design.domain)),
                *compare_volumes(design, hypervisor, image),
            ]
            if state.runs:
                agent = GuestAgent(hypervisor, design.domain)
                findings += compare_flags(design.machine, agent.read_file("/proc/cpuinfo").decode())
                inside, doubts = compare_guest(agent, design)
                findings += inside
                unknown += doubts
        except NordgateError as problem:
            unknown.append(str(problem))
        differing = [finding for finding in findings if not finding.agrees]
        console.print(f"{design.domain}: {len(findings)} settings, {len(differing)} differ")
        if differing:
            table = Table("what", "declared", "found", box=None)
            for finding in differing:
                # Words of nginx and of others, in which brackets are no styles.
                table.add_row(*map(Text, (finding.what, finding.declared, finding.found)))
            console.print(table)
            codes.append(DRIFT)
        for sentence in unknown:
            console.print(Text(f"{design.domain}: cannot tell: {sentence}"))
            codes.append(CANNOT_TELL)
    return max(codes)


def compare(design: GatewayDesign, domain_xml: str) -> list[Finding]:
    """Every setting of the machine in `domain_xml`, as libvirt reports it."""
    domain = ElementTree.fromstring(domain_xml)  # noqa: S314 - libvirt wrote it
    folder = design.machine.pool_path
    return [
        *(Finding(fact.what, fact.declared, fact.read(domain)) for fact in facts(design.machine)),
        # Their names are made of the fingerprint, which is made of all of the above.
        Finding("root volume", f"{folder}/{design.root_volume(design.mark)}", _first(domain, 1)),
        Finding("seed disk", f"{folder}/{design.seed_volume(design.mark)}", _first(domain, 3)),
    ]


def _first(domain: ElementTree.Element, disk: int) -> str:
    """The disk's file, without the number that a guest which had to be made anew adds to it."""
    source = domain.find(f"devices/disk[{disk}]/source")
    file = source.get("file", "(none)") if source is not None else "(none)"
    return re.sub(r"(-(?:root|seed)-[0-9a-f]{12})-\d+\.", r"\1.", file)


def compare_volumes(design: GatewayDesign, hypervisor: Hypervisor, image: str) -> list[Finding]:
    """What commands made, which no refresh looks at: the volumes as libvirt lists them."""
    data = hypervisor.volume(design.data_pool, design.data_name)
    stored = hypervisor.volume(shared_name(design.stack), image)
    size = data.findtext("capacity", "(none)") if data is not None else "(none)"
    # LVM rounds up to whole extents.
    rounded = design.machine.data_is_device and size.isdigit() and int(size) > design.data_bytes
    return [
        Finding("data volume bytes", str(design.data_bytes), size, rounded or None),
        Finding("image", image, image if stored is not None else "(none)"),
    ]


def compare_guest(agent: GuestAgent, design: GatewayDesign) -> tuple[list[Finding], list[str]]:
    """The smoke check's proofs of the guest, without its load and its requests; and what nobody can tell."""
    _, lines = guest_proofs.proofs(agent, guest_proofs.promises_of(design.smoke_plan, design.name))
    doubts = [line for line in lines if line.verdict is Verdict.INCONCLUSIVE]
    told = [line for line in lines if line not in doubts]
    findings = [Finding(line.what, line.budget, line.found, line.verdict is Verdict.PASS) for line in told]
    return findings, [line.sentence for line in doubts]


def compare_flags(machine: Machine, cpuinfo: str) -> list[Finding]:
    """What the guest itself sees of its processors in /proc/cpuinfo: how many, and the features that matter."""
    flags = [set(line.partition(":")[2].split()) for line in cpuinfo.splitlines() if line.startswith("flags")]
    everywhere = set.intersection(*flags) if flags else set()
    anywhere = set().union(*flags)
    wanted = {"aes": "shown"} if machine.profile.require_aes else {}
    hidden = {_kernels_name(feature): "hidden" for feature in machine.profile.disabled_cpu_features}
    return [
        Finding("guest sees vcpus", str(machine.vcpus), str(len(flags))),
        *(
            Finding(f"guest sees {flag}", word, "shown" if flag in everywhere else "hidden")
            for flag, word in wanted.items()
        ),
        *(
            Finding(f"guest sees {flag}", word, "shown" if flag in anywhere else "hidden")
            for flag, word in hidden.items()
        ),
    ]


def _kernels_name(feature: str) -> str:
    """Linux writes `sse4_1` for libvirt's `sse4.1`."""
    return feature.replace(".", "_").replace("-", "_")
