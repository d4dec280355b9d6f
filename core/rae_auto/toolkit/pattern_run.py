"""A pattern played over events and time, step by step: by the daemon, the simulator and tests alike."""

from datetime import datetime

from attrs import define

from rae_auto.api.events import Event
from rae_auto.api.pattern import GAP, Firing, PatternTrigger, State, StepResult
from rae_auto.model.primitives.instants import format_instant


@define
class PatternRun:
    """A pattern with its state, and the time of its next step."""

    pattern: PatternTrigger
    state: State
    wake_at: datetime | None = None

    @classmethod
    def start(cls, pattern: PatternTrigger, now: datetime) -> "PatternRun":
        """Return a run at its very first start."""
        progress = pattern.begin(now)
        return cls(pattern, progress.state, progress.wake_at)

    def advance(self, until: datetime) -> list[Firing]:
        """Let time pass until an instant and return the firings. Raises ValueError if the pattern makes no progress."""
        fired: list[Firing] = []
        while self.wake_at is not None and self.wake_at <= until:
            at, self.wake_at = self.wake_at, None
            fired += self._take(self.pattern.step(self.state, None, at))
            if self.wake_at is not None and self.wake_at <= at:
                # The loop would never end.
                raise ValueError(f"{self.pattern.type}: the step at {at} must set its next step later than that")
        return fired

    def handle(self, event: Event) -> list[Firing]:
        """Let time pass until an event, take it in, and return the firings."""
        return [*self.advance(event.at), *self._take(self.pattern.step(self.state, event, event.at))]

    def skip(self, since: datetime, until: datetime, why: str) -> list[Firing]:
        """Skip an unwatched span, or a clock that was set back from `since` to `until`; return the firings."""
        fired = self.advance(since)
        gap = Event(format_instant(since), GAP, since, {"why": why})
        return [*fired, *self._take(self.pattern.step(self.state, gap, until))]

    def _take(self, progress: StepResult) -> tuple[Firing, ...]:
        self.state, self.wake_at = progress.state, progress.wake_at
        return progress.firings
