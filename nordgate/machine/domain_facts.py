"""What a machine's declaration means in the XML of its domain, as libvirt reports it: one row per setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from nordgate.machine.machine import Machine, cpuset
from nordgate.machine.profile import PAGE_BYTES
from nordgate.machine.stylesheet import pci_parts

NONE = "(none)"
"""What is shown for a setting that is not there."""

Reader = Callable[[Element], str]


@dataclass(frozen=True)
class Fact:
    """One setting: its name, the value that it is to have, and how it is read from a `<domain>`."""

    what: str
    declared: str
    read: Reader


def facts(machine: Machine) -> tuple[Fact, ...]:
    """Everything that `domain_stylesheet(machine)` promises, and what the provider was told of the machine."""
    profile = machine.profile
    return (
        Fact("uuid", machine.uuid, _text("uuid")),
        Fact("accelerator", profile.accelerator, lambda domain: domain.get("type", NONE)),
        Fact("machine", profile.machine_type, _machine_type(profile.machine_type)),
        Fact("vcpus", str(machine.vcpus), _text("vcpu")),
        Fact("memory KiB", str(machine.memory >> 10), _text("memory")),
        Fact("cpu mode", profile.cpu_mode, _attribute("cpu", "mode")),
        *_processor_facts(machine),
        *_pinning_facts(machine),
        *_memory_facts(machine),
        Fact("root boots as number", _place(machine.boot_place("root")), _attribute("devices/disk[1]/boot", "order")),
        Fact(
            "network boots as number",
            _place(machine.boot_place("network")),
            _attribute("devices/interface/boot", "order"),
        ),
        Fact("disks", "3", _count("devices/disk[@device='disk']")),
        Fact("root format", "raw" if profile.root == "flat" else "qcow2", _attribute("devices/disk[1]/driver", "type")),
        *(fact for disk in (1, 2) for fact in _disk_facts(machine, disk)),
        Fact(
            "data volume",
            machine.data_path,
            _attribute("devices/disk[2]/source", "dev" if machine.data_is_device else "file"),
        ),
        Fact("data volume serial", machine.data_serial, _text("devices/disk[2]/serial")),
        Fact("seed serial", machine.seed_serial, _text("devices/disk[3]/serial")),
        Fact("network card", machine.mac, _attribute("devices/interface/mac", "address")),
        Fact(
            "network port",
            "openvswitch" if machine.open_vswitch else NONE,
            _attribute("devices/interface/virtualport", "type"),
        ),
        Fact("network backend", profile.network_backend, _attribute("devices/interface/driver", "name")),
        Fact("network queues", str(machine.network_queues), _queues("devices/interface/driver")),
        Fact("console log", machine.console_log, _attribute("devices/serial/log", "file")),
        Fact(
            "guest agent channel",
            "virtio",
            _attribute("devices/channel/target[@name='org.qemu.guest_agent.0']", "type"),
        ),
        Fact("random numbers", "virtio", _attribute("devices/rng", "model")),
        Fact("balloon", "none", _attribute("devices/memballoon", "model")),
        Fact("usb", "none", _attribute("devices/controller[@type='usb']", "model")),
        Fact("screens", "0", _count("devices/graphics")),
        *_controller_facts(machine),
    )


def _processor_facts(machine: Machine) -> list[Fact]:
    profile = machine.profile
    migratable = "off" if profile.cpu_mode == "host-passthrough" else NONE
    return [
        Fact("cpu check", machine.cpu_check, _attribute("cpu", "check")),
        Fact("cpu migratable", migratable, _attribute("cpu", "migratable")),
        Fact("cpu cores", str(machine.cores), _attribute("cpu/topology", "cores")),
        Fact("cpu threads per core", str(profile.threads_per_core), _attribute("cpu/topology", "threads")),
        Fact("required cpu features", "aes" if profile.require_aes else NONE, _features("require")),
        Fact("hidden cpu features", ",".join(sorted(profile.disabled_cpu_features)) or NONE, _features("disable")),
    ]


def _pinning_facts(machine: Machine) -> list[Fact]:
    pinning, threads = machine.pinning, machine.profile.iothreads
    found = [
        Fact("iothreads", str(threads) if threads else NONE, _text("iothreads")),
        Fact("pinned vcpus", str(len(pinning.cpus)) if pinning else "0", _count("cputune/vcpupin")),
    ]
    if pinning:
        found += [
            Fact(f"vcpu {number} core", str(core), _attribute(f"cputune/vcpupin[@vcpu='{number}']", "cpuset"))
            for number, core in enumerate(pinning.cpus)
        ]
        found.append(Fact("emulator cores", cpuset(pinning.emulator), _attribute("cputune/emulatorpin", "cpuset")))
        found += [
            Fact(
                f"iothread {number} cores",
                cpuset(pinning.iothreads),
                _attribute(f"cputune/iothreadpin[@iothread='{number}']", "cpuset"),
            )
            for number in range(1, threads + 1)
        ]
    node = str(pinning.node) if pinning else NONE
    found.append(Fact("NUMA node", node, _attribute("numatune/memory", "nodeset")))
    return found


def _memory_facts(machine: Machine) -> list[Fact]:
    profile = machine.profile
    page = str(PAGE_BYTES[profile.hugepages] >> 10) if profile.hugepages else NONE
    return [
        Fact("hugepage KiB", page, _attribute("memoryBacking/hugepages/page", "size")),
        Fact("locked memory", _yes(profile.locked_memory), _present("memoryBacking/locked")),
        Fact("unshared pages", _yes(not profile.share_pages), _present("memoryBacking/nosharepages")),
    ]


def _disk_facts(machine: Machine, disk: int) -> list[Fact]:
    profile, driver = machine.profile, f"devices/disk[{disk}]/driver"
    threads = ",".join(map(str, machine.disk_iothreads(disk))) or NONE
    return [
        Fact(f"disk {disk} type", "file", _attribute(f"devices/disk[{disk}]", "type")),
        Fact(f"disk {disk} cache", profile.disk_cache, _attribute(driver, "cache")),
        Fact(f"disk {disk} io", profile.disk_io, _attribute(driver, "io")),
        Fact(f"disk {disk} discard", profile.disk_discard, _attribute(driver, "discard")),
        Fact(f"disk {disk} queues", str(machine.disk_queues), _attribute(driver, "queues")),
        Fact(f"disk {disk} iothreads", threads, _disk_threads(driver)),
    ]


def _controller_facts(machine: Machine) -> list[Fact]:
    address, source = machine.nvme_controller, "devices/hostdev/source/address"
    parts = pci_parts(address) if address else {}
    return [
        Fact("devices handed over", str(int(address is not None)), _count("devices/hostdev")),
        *(Fact(f"NVMe controller {part}", f"0x{value}", _attribute(source, part)) for part, value in parts.items()),
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _text(path: str) -> Reader:
    return lambda domain: (domain.findtext(path) or NONE).strip()


def _attribute(path: str, name: str) -> Reader:
    def read(domain: Element) -> str:
        element = domain.find(path)
        return element.get(name, NONE) if element is not None else NONE

    return read


def _count(path: str) -> Reader:
    return lambda domain: str(len(domain.findall(path)))


def _present(path: str) -> Reader:
    return lambda domain: _yes(domain.find(path) is not None)


def _features(policy: str) -> Reader:
    def read(domain: Element) -> str:
        found = domain.findall(f"cpu/feature[@policy='{policy}']")
        return ",".join(sorted(feature.get("name", NONE) for feature in found)) or NONE

    return read


def _queues(path: str) -> Reader:
    """libvirt leaves out a count of one."""
    read = _attribute(path, "queues")
    return lambda domain: "1" if read(domain) == NONE else read(domain)


def _disk_threads(driver: str) -> Reader:
    def read(domain: Element) -> str:
        mapped = [thread.get("id", NONE) for thread in domain.findall(f"{driver}/iothreads/iothread")]
        return ",".join(mapped) or _attribute(driver, "iothread")(domain)

    return read


def _place(number: int | None) -> str:
    return str(number) if number else NONE


def _machine_type(declared: str) -> Reader:
    """Where `q35` is declared, any version of it: libvirt replaces the name by that of the newest the host has."""
    read = _attribute("os/type", "machine")
    return lambda domain: "q35" if declared == "q35" and read(domain).startswith("pc-q35-") else read(domain)
