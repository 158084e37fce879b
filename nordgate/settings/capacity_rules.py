"""Rules about what has to fit into a guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloudinit import GatewaySettings
from cloudinit.gateway_settings import LogSettings
from cloudinit.kernel_settings import CONNTRACK
from cloudinit.violations import Violation
from nordgate.settings.hardware import Hardware

_FOR_THE_REST = 192 << 20
"""Bytes that a guest needs beside its table of connections: its kernel, nginx and the services of the system."""


def logs_fit_the_data_volume(nginx: GatewaySettings, hardware: Hardware) -> Iterator[Violation]:
    """Of a stated size. The guest finds one that fits by itself."""
    log: LogSettings = nginx.log
    fits = max(1, hardware.data_volume * 3 // 4 // (log.logs * (log.rotate_keep + 1)) >> 20)
    if log.rotate_megabytes and log.rotate_megabytes > fits:
        rule = (
            f"{log.rotate_megabytes} MiB, kept {log.rotate_keep} times, do not fit hardware.dataVolume of "
            f"{hardware.data_volume >> 20}MiB: at most {fits}, or leave it out"
        )
        yield Violation(("nginx", "log", "rotateMegabytes"), log.rotate_megabytes, rule)


def the_connection_table_fits_the_memory(nginx: GatewaySettings, hardware: Hardware) -> Iterator[Violation]:
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
        yield Violation(where, declared or hardware.memory, rule)


def heads_fit_the_memory(nginx: GatewaySettings, hardware: Hardware) -> Iterator[Violation]:
    """The heads of all requests and answers at once fit into the guest's memory."""
    each = nginx.request_line_kilobytes + nginx.response_head_kilobytes
    needed, memory = nginx.concurrent_clients * each >> 10, hardware.memory >> 20
    if needed + nginx.body_buffer_megabytes > memory:
        rule = (
            f"{nginx.concurrent_clients} clients with {nginx.request_line_kilobytes} KiB for a line of their request's "
            f"head and {nginx.response_head_kilobytes} KiB for their answer's need "
            f"{needed} MiB beside the {nginx.body_buffer_megabytes} MiB for bodies; hardware.memory is {memory}MiB"
        )
        yield Violation(("nginx", "concurrentClients"), nginx.concurrent_clients, rule)


def bodies_leave_the_memory_to_others(nginx: GatewaySettings, hardware: Hardware) -> Iterator[Violation]:
    """Request bodies get a quarter of the guest's memory at most."""
    most = hardware.memory // 4 >> 20
    if nginx.body_buffer_megabytes > most:
        rule = (
            f"{nginx.body_buffer_megabytes} MiB of memory for request bodies are more than a quarter of "
            f"hardware.memory, {hardware.memory >> 20}MiB: at most {most}"
        )
        yield Violation(("nginx", "bodyBufferMegabytes"), nginx.body_buffer_megabytes, rule)


def shared_tables_leave_the_memory_to_others(nginx: GatewaySettings, hardware: Hardware) -> Iterator[Violation]:
    """Full ones: nginx takes their pages as they fill."""
    sessions, most = nginx.tls.session_cache_megabytes, hardware.memory // 4 >> 20
    clients = nginx.rate_limit.megabytes if nginx.rate_limit else 0
    if sessions + clients > most:
        rule = (
            f"{sessions} MiB for TLS sessions and {clients} for the clients of a rate limit are more than a quarter of "
            f"hardware.memory, {hardware.memory >> 20}MiB: at most {most}"
        )
        larger_is_sessions = sessions >= clients
        where = ("tls", "sessionCacheMegabytes") if larger_is_sessions else ("rateLimit", "clients")
        yield Violation(("nginx", *where), sessions if larger_is_sessions else clients, rule)


RULES: tuple[Callable[..., Iterator[Violation]], ...] = (
    logs_fit_the_data_volume,
    the_connection_table_fits_the_memory,
    heads_fit_the_memory,
    bodies_leave_the_memory_to_others,
    shared_tables_leave_the_memory_to_others,
)
