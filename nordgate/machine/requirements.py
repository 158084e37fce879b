"""What a profile asks of the host's libvirt and QEMU: plain data, for whoever checks a host before a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nordgate.machine.profile import Profile


class Requirement(NamedTuple):
    """A feature, the setting that asks for it, and the first versions that have it."""

    feature: str
    setting: str
    libvirt: str
    qemu: str


# From the "Since" notes of libvirt's formatdomain page. Of both programs, each release here is older than that of
# any Debian that still has support, except for the last row.
_RULES: tuple[tuple[Callable[[Profile], bool], Requirement], ...] = (
    (
        lambda profile: profile.cpu_mode == "maximum",
        Requirement("processor mode maximum", "cpuMode: maximum", "7.1", "2.9"),
    ),
    (
        lambda profile: profile.cpu_mode == "host-passthrough",
        Requirement("processor features that block migration", "cpuMode: host-passthrough", "6.5", "2.12"),
    ),
    (lambda profile: profile.disk_io == "io_uring", Requirement("io_uring", "diskIo: io_uring", "6.3", "5.0")),
    (
        lambda profile: profile.iothread_mapping,
        Requirement("disk queues mapped to I/O threads", "iothreadMapping: true", "10.0", "9.0"),
    ),
)


def requires(profile: Profile) -> list[Requirement]:
    """What a host must be able to do for guests of that profile. Nothing is left out where it cannot."""
    return [requirement for applies, requirement in _RULES if applies(profile)]


def every_requirement() -> list[Requirement]:
    """All that any profile may ask for."""
    return [requirement for _, requirement in _RULES]
