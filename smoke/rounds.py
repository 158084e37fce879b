"""The rounds of one series: what was sent, what came of it, and how well the generator kept to its times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from smoke.engine.job import Tally


@dataclass(frozen=True)
class Rounds:
    """What one series gave, round by round."""

    gateway: list[Tally]
    baseline: list[Tally] = field(default_factory=list)
    """As many, or none."""
    stolen: float | None = None
    """Share of the guest's processor time that its host took, if it was asked."""
    most_reconnects: int | None = None
    """As many as the gateway's own settings explain, if they are known."""

    @property
    def sent(self) -> int:
        """The number of requests that were sent to the gateway."""
        return sum(tally.sent for tally in self.gateway)

    @property
    def errors(self) -> Counter[str]:
        """How often each kind of error came from the gateway."""
        return sum((Counter(tally.errors) for tally in self.gateway), Counter())

    @property
    def reconnects(self) -> int:
        """How often connections to the gateway were replaced."""
        return sum(tally.reconnects for tally in self.gateway)

    @property
    def lost(self) -> int:
        """How many connections to the gateway were lost with requests on them."""
        return sum(tally.lost for tally in self.gateway)

    @property
    def missing_connections(self) -> int:
        """How many of the connections that were asked for could not be opened."""
        return max(tally.missing_connections for tally in (*self.gateway, *self.baseline))

    @property
    def worst_delay(self) -> float:
        """The longest time, in seconds, by which a request left too late."""
        return max(tally.worst_delay for tally in self.gateway)

    @property
    def processor(self) -> float:
        """The largest share of one core that the generator has used."""
        return max(tally.processor for tally in (*self.gateway, *self.baseline))

    def late(self, after: float) -> int:
        """The number of requests that left more than `after` seconds too late."""
        return sum(tally.late(after) for tally in self.gateway)
