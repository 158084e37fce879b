"""The smaller parts of a plan: where requests go, what answers carry, and how long things may take."""

from __future__ import annotations

from pydantic import Field

from smoke.plan_model import HeaderName, Model, UrlPath


class Readiness(Model):
    """How long the guest may take until it is ready."""

    timeout_seconds: float = Field(default=180, gt=0, le=3600)


class Paths(Model):
    """What is asked for the proofs."""

    health: UrlPath = "/health"
    proxied: UrlPath = "/"
    limited: UrlPath | None = None
    """Where the gateway itself refuses a body that is too large, if it does."""


class KeepAlive(Model):
    """When the gateway ends a connection of a client: after so many requests, and when it is idle for so long."""

    requests: int = Field(ge=1)
    timeout_seconds: float = Field(gt=0)


class Headers(Model):
    """What answers carry, each header once: by its name the value, or null for any value."""

    each: dict[HeaderName, str | None] = Field(default_factory=dict)
    """Of every answer, errors that the gateway makes included. A gateway of someone else declares none."""
    routes: dict[UrlPath, dict[HeaderName, str | None]] = Field(default_factory=dict)
    """What answers on these paths carry instead."""
    never: tuple[HeaderName, ...] = ()
    """What no answer carries."""

    def on(self, path: str) -> dict[str, str | None]:
        """What answers on that path carry."""
        return self.routes.get(path, self.each)
