"""Errors and warnings for production stacks: what does harm in silence.

What nobody can mean is an error; what somebody may mean is a warning.

A warning stops nothing: `make check`, `pulumi preview` and `pulumi up` show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from cloudinit.violations import Violation
from nordgate.settings.connection_rules import refused_in_production
from nordgate.settings.hardware import Hardware
from nordgate.settings.hypervisor_settings import HypervisorSettings
from nordgate.settings.settings_error import Row, row
from nordgate.settings.stack_files import is_test, region_file, stack_file
from nordgate.settings.stack_settings import Region, Settings


def production_hosts_are_who_they_say(stack: str, hypervisors: Mapping[str, HypervisorSettings]) -> Iterator[Violation]:
    """Connections of production stacks prove who the host is."""
    for name, host in hypervisors.items():
        for reason in () if is_test(stack) else refused_in_production(host.uri):
            yield Violation(("hypervisors", name, "uri"), host.uri, f"{reason} ({stack} is no test stack, NAME-test)")


def flushes_reach_the_disk(stack: str, hardware: Hardware) -> Iterator[Violation]:
    """Production stacks do not ignore flushes of the guest."""
    if hardware.disk_cache == "unsafe" and not is_test(stack):
        rule = (
            "unsafe ignores flushes: a crash of the host can damage the data volume, TLS keys included; use none, or "
            f"writeback ({stack} is no test stack, NAME-test)"
        )
        yield Violation(("hardware", "diskCache"), "unsafe", rule)


RULES: tuple[Callable[..., Iterator[Violation]], ...] = (flushes_reach_the_disk,)


def warnings(stack: str, settings: Settings) -> list[tuple[str, Row]]:
    """Of right settings, those that do harm unless they are meant: file, place and what follows."""
    found = [*_headers_replaced(settings), *(() if is_test(stack) else _of_production(settings))]
    files = {field.alias: str(region_file(settings.region)) for field in Region.model_fields.values()}
    return [(files.get(str(problem.where[0]), str(stack_file(stack))), row(problem)) for problem in found]


def _headers_replaced(settings: Settings) -> Iterator[Violation]:
    ours = {name.lower(): name for name in settings.nginx.security_headers}
    for index, route in enumerate(settings.nginx.routes):
        for name, value in route.response_headers.items():
            if name.lower() in ours:
                said = settings.nginx.security_headers[ours[name.lower()]]
                rule = f'"{value}" takes the place of nginx.securityHeaders, "{said}", for all answers of {route.path}'
                yield Violation(("nginx", "routes", index, "responseHeaders", name), value, rule)


def _of_production(settings: Settings) -> Iterator[Violation]:
    for name, host in settings.hypervisors.items():
        if not host.require_nvme:
            rule = "false: the stack may stand on disks of any kind, and nothing proves how fast they are"
            yield Violation(("hypervisors", name, "requireNvme"), False, rule)
    if not settings.protect_data:
        rule = (
            "false: a gateway that is taken out of this file is deleted with its logs and TLS keys, and so is the stack"
        )
        yield Violation(("protectData",), False, rule)
    if settings.hardware.accelerator == "qemu":
        rule = "qemu: an emulated processor is some twenty times slower than the host's own"
        yield Violation(("hardware", "accelerator"), "qemu", rule)
    if not settings.hardware.require_aes:
        rule = "false: on a processor without AES, TLS costs many times as much, and nothing would say so"
        yield Violation(("hardware", "requireAes"), False, rule)
    if settings.parallel and len(settings.gateways) > 1:
        rule = "true: all gateways are replaced at once, and nobody answers meanwhile"
        yield Violation(("parallel",), True, rule)
    if settings.nginx.rate_limit and settings.nginx.rate_limit.dry_run:
        rule = "true: what is above the limit is logged, and let through"
        yield Violation(("nginx", "rateLimit", "dryRun"), True, rule)
    if settings.smoke.on_inconclusive == "warn":
        rule = "warn: a deployment passes although nothing could be said of its latency"
        yield Violation(("smoke", "onInconclusive"), "warn", rule)


def told(found: tuple[str, Row]) -> str:
    """A warning as one line."""
    file, (place, sentence) = found
    return f"{file}: {place}: {sentence}"
