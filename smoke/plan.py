"""What one check is told: a JSON object, validated whole before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from cloudinit import Check
from cloudinit.violations import Violation, raise_all
from smoke.engine.job import HEALTH_CHECK, HTTP2
from smoke.load import LOCAL, Budget, Load, Overhead, Vantage
from smoke.plan_model import GuestPath, HostName, Model, Name, UrlPath, host_and_port
from smoke.plan_parts import Headers, KeepAlive, Paths, Readiness
from smoke.sampling import PERCENTILES, Run, unjudged

Proof = Literal["tls-floor", "ciphers", "http2", "resumption", "hsts", "headers", "unknown-host", "version"]
"""What is proved over the network, besides the certificate, the health and one proxied request."""


_NOTHING = "load is null: nothing is measured, and nothing of the budget would be judged"


class Trust(Model):
    """What the certificate is verified against; nothing given: the machine's certificate authorities."""

    guest_certificate: GuestPath | None = None
    """The certificate that the guest serves: fetched through the guest agent and pinned as the only trust anchor."""
    self_signed: GuestPath | None = None
    """Where the guest keeps the one that it has made itself. With it, only that one is pinned: another one that it
    serves is judged as clients do."""
    ca_file: str | None = None
    ca_certificate: str | None = None
    """PEM of the authorities that clients trust."""
    insecure: bool = False

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if sum((self.guest_certificate is not None, self.ca_file is not None, self.insecure)) > 1:
            raise ValueError("guestCertificate, caFile and insecure exclude each other")
        if self.ca_certificate is not None and (self.ca_file is not None or self.insecure):
            raise ValueError("caCertificate, caFile and insecure exclude each other")
        if self.self_signed is not None and self.guest_certificate is None:
            raise ValueError("selfSigned says which guestCertificate is pinned, and there is none")
        return self


class Libvirt(Model):
    """Where the guest runs."""

    uri: str | None = None
    """As `virsh -c` takes it; without one, virsh's own default (LIBVIRT_DEFAULT_URI)."""
    domain: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f/'\"\\]+$")]
    console_log: GuestPath | None = None
    """The serial console's log on the hypervisor; without one, where the domain's XML says."""
    boot_result: GuestPath = "/run/nordgate/boot.json"
    start: bool = False
    """Whether a domain that does not run (shut off, paused, asleep, crashed) is brought back first, and a boot
    that had failed before is gone through again."""


class GuestPromises(Model):
    """What must read back in the guest."""

    checks: tuple[Check, ...] = ()
    files: dict[GuestPath, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = Field(default_factory=dict)
    """SHA-256 of what counts of files that must be as they were rendered: cloudinit.substance."""
    access_log: GuestPath | None = None
    """Where nginx logs its requests as JSON; with it, the reuse of upstream connections is proved."""
    synchronised: bool = True
    """Whether the guest has time servers, so that its clock can be right."""


class Plan(Model):
    """All that one check is told: which gateway, how it is reached, what is proved of it, and what is measured."""

    stack: Name
    gateway: Name
    url: str
    """What a person opens: https://HOST[:PORT]."""
    server_name: HostName | None = None
    names: tuple[HostName, ...] = ()
    """All that clients ask for; a certificate that the guest has not made itself must be for each. None: that one."""
    connect: str | None = None
    """HOST:PORT to really connect to, when it is not the URL's."""
    trust: Trust = Trust()
    libvirt: Libvirt | None = None
    """Without it the check is network-only: no readiness, no console."""
    content_hash: Annotated[str, StringConstraints(min_length=1)] | None = None
    readiness: Readiness = Readiness()
    guest: GuestPromises | None = None
    paths: Paths = Paths()
    headers: Headers = Headers()
    keep_alive: KeepAlive | None = None
    """Without it, reconnects are shown and not judged."""
    hsts_seconds: int = Field(default=31_536_000, ge=0)
    """The least max-age of Strict-Transport-Security."""
    budget_scale: float = Field(default=1, ge=1)
    """How many times the region's own budgets these are; already in their figures, and shown in every report."""
    skip: tuple[Proof, ...] = ()
    """Proofs that a gateway of someone else need not give."""
    load: Load | None = Load()
    """null: proofs only."""
    budget: Budget = Budget()
    routes: dict[UrlPath, Budget] = Field(default_factory=dict)
    """The paths to measure, each with what differs from the other budgets; none: the proxied path."""
    vantages: tuple[Vantage, ...] = Field(default=(LOCAL,), min_length=1)
    baseline: str | None = None
    """http://HOST:PORT/PATH of an upstream, measured in turn with the gateway."""
    retries: int = Field(default=2, ge=0, le=10)
    """How often an inconclusive measurement is made again."""
    on_inconclusive: Literal["fail", "warn"] = "fail"
    """What an inconclusive check means in the end: exit code 3, or 0 with the verdict saying so."""

    @field_validator("url")
    @classmethod
    def _https(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("must be https://HOST or https://HOST:PORT")
        host_and_port(parts.netloc, 443)
        return url.rstrip("/")

    @field_validator("baseline")
    @classmethod
    def _http(cls, baseline: str | None) -> str | None:
        parts = urlsplit(baseline or "http://h/")
        if parts.scheme != "http" or not parts.path or parts.fragment or any(c.isspace() for c in baseline or ""):
            raise ValueError("must be http://HOST[:PORT]/PATH")
        host_and_port(parts.netloc, 80)
        return baseline

    @field_validator("connect")
    @classmethod
    def _host_port(cls, connect: str | None) -> str | None:
        if connect is not None:
            host_and_port(connect)
        return connect

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.libvirt is None and self.trust.guest_certificate is not None:
            raise ValueError("trust.guestCertificate is read through libvirt, and the plan has no libvirt")
        if self.libvirt is not None and self.trust.insecure:
            raise ValueError("trust.insecure is for network-only checks; use trust.guestCertificate")
        names = [vantage.name for vantage in self.vantages]
        if len(set(names)) != len(names):
            raise ValueError("vantages must have different names")
        return self

    @model_validator(mode="after")
    def _judgeable(self) -> Self:
        found = list(_unjudged(self))
        if self.load and HEALTH_CHECK in self.measured_paths and HTTP2 not in self.load.protocols:
            rule = f"{HEALTH_CHECK} is asked over {HTTP2} alone: add it"
            found.append(Violation(("load", "protocols"), ", ".join(self.load.protocols), rule))
        raise_all("Plan", found)
        return self

    @property
    def name(self) -> str:
        """The name that the certificate must carry and the gateway answers to."""
        return self.server_name or host_and_port(urlsplit(self.url).netloc, 443)[0]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are really connected to."""
        return host_and_port(self.connect or urlsplit(self.url).netloc, 443)

    @property
    def run(self) -> Run | None:
        """One series, as far as it decides what can be judged."""
        if self.load is None:
            return None
        load = self.load
        return Run(load.rate, load.duration_seconds, load.rounds, load.timeout_seconds, self.baseline is not None)

    @property
    def measured_paths(self) -> list[str]:
        """The paths that load goes to, each a series of its own."""
        return list(self.routes) or [self.paths.proxied]

    def alone(self, load: Load) -> Plan:
        """Another load, of the gateway without its baseline, and so without what it may add to one."""

        def bare(budget: Budget) -> Budget:
            return budget.model_copy(update={"overhead": Overhead()})

        vantages = tuple(one.model_copy(update={"budget": bare(one.budget)}) for one in self.vantages)
        routes = {path: bare(budget) for path, budget in self.routes.items()}
        changed = {"load": load, "baseline": None, "routes": routes, "vantages": vantages}
        return self.model_copy(update=changed | {"budget": bare(self.budget)})

    def in_real_time(self, vantage: Vantage) -> bool:
        """Whether the load generator runs there ahead of all other work: where that is asked for, and beside a lab of
        this machine, where nobody's guests but the test stack's own wait for it."""
        if vantage.real_time is not None:
            return vantage.real_time
        in_lab = self.libvirt is not None and "?socket=/var/lib/nordgate/lab/" in (self.libvirt.uri or "")
        return in_lab and not vantage.reach.startswith("ssh:")

    def budget_of(self, vantage: Vantage, path: str) -> Budget:
        """What applies to a path that is measured from there: the route's, then the vantage's, then the plan's."""
        return self.routes.get(path, Budget()).over(vantage.budget.over(self.budget))


def _unjudged(plan: Plan) -> Iterator[Violation]:
    """Every declared budget that the plan's load cannot judge, where it is declared."""
    told = set()
    for number, vantage in enumerate(plan.vantages):
        for path in plan.measured_paths:
            limits = plan.budget_of(vantage, path).declared
            for setting, rule in unjudged(limits, plan.run) if plan.run else ((name, _NOTHING) for name in limits):
                stated = {
                    ("routes", path): plan.routes.get(path, Budget()),
                    ("vantages", number, "budget"): vantage.budget,
                    ("budget",): plan.budget,
                }
                place = next(where for where, budget in stated.items() if setting in budget.declared)
                where = (*place, *setting.split("."))
                if where not in told:
                    told.add(where)
                    of_time = setting.rpartition(".")[2] in PERCENTILES
                    yield Violation(where, limits[setting] * (1000 if of_time else 1), rule)
