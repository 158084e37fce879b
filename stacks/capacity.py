"""Rules about what has to fit into a guest."""

from __future__ import annotations

from collections.abc import Iterator

from cloudinit import GatewaySettings
from cloudinit.kernel import CONNTRACK
from cloudinit.problems import Problem
from stacks.hardware import Hardware

_FOR_THE_REST = 192 << 20
"""Bytes that a guest needs beside its table of connections: its kernel, nginx and the services of the system."""


def the_connection_table_fits_the_memory(nginx: GatewaySettings, hardware: Hardware) -> Iterator[Problem]:
    """A full one: whoever opens enough connections would otherwise take the guest down, not only be refused."""
    kernel = nginx.kernel
    if kernel.conntrack_bytes + _FOR_THE_REST > hardware.memory:
        most = (hardware.memory - _FOR_THE_REST) // kernel.conntrack_bytes_each
        rule = (
            f"{kernel.conntrack_buckets} connections take {kernel.conntrack_bytes >> 20} MiB when {CONNTRACK} is "
            f"reached, and hardware.memory is {hardware.memory >> 20}MiB, of which {_FOR_THE_REST >> 20} are for all "
            f"else: at most {most}"
        )
        declared = kernel.sysctl.get(CONNTRACK)
        where = ("nginx", "kernel", "sysctl", CONNTRACK) if declared else ("hardware", "memory")
        yield Problem(where, declared or hardware.memory, rule)
