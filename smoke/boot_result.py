"""What a guest says of its first boot: the file that its last step writes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class BootStep(BaseModel):
    """One step of the first boot, and how it ended."""

    model_config = ConfigDict(frozen=True)

    name: str
    seconds: float = 0
    ok: bool
    error: str | None = None


class BootResult(BaseModel):
    """What the guest writes when its first boot has ended."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    ready: bool
    content_hash: str
    steps: tuple[BootStep, ...] = ()

    @property
    def failure(self) -> str:
        """The steps that failed, and why."""
        failed = [f"{step.name}: {step.error or 'no error given'}" for step in self.steps if not step.ok]
        return "; ".join(failed) or "no step is marked as failed"
