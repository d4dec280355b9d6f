"""Idle periods: one has become long, or has ended."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from attrs import field, frozen

from rae_auto.api import SourceTrigger, Trigger
from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.secrets import Secret
from rae_auto.toolkit.validators import at_least
from rae_plugins.triggers.usage.patterns.matching import IDLE
from rae_plugins.triggers.usage.patterns.options import UsagePattern, api_key_option, option_help, url_option
from rae_plugins.triggers.usage.sources.use import AFK_TIMEOUT

MIN_IDLE_PERIOD = timedelta(seconds=10)


@frozen(kw_only=True, slots=False)
class IdlePeriodPattern(UsagePattern):
    """Base of the patterns of idle periods."""

    for_: timedelta = field(
        converter=parse_duration,
        validator=at_least(MIN_IDLE_PERIOD),
        metadata=option_help("length of the idle period, at least 10s"),
    )
    source: Literal["idle", "activitywatch"] = field(
        default="idle", metadata=option_help("where idle time is read: the system, or ActivityWatch")
    )
    url: str = url_option()
    api_key: Secret | None = api_key_option()  # noqa: RUF009 - it makes a field

    def __attrs_post_init__(self) -> None:
        """Refuse options that don't go together. Raises ValueError."""
        self._require_activitywatch(self.source, "url", "api_key")

    def parts(self) -> Mapping[str, Trigger]:
        """Return the source of the idle periods."""
        return {IDLE: self._idle_source()}

    def warnings(self) -> tuple[str, ...]:
        """Return a warning about a period that ActivityWatch can't see."""
        if self.source == "activitywatch" and self.for_ < AFK_TIMEOUT:
            return (f"ActivityWatch reports no idle period shorter than {format_duration(AFK_TIMEOUT)}",)
        return ()

    def _idle_source(self) -> SourceTrigger:
        # lazy: the libraries that only this source needs
        from rae_plugins.triggers.usage.sources.activitywatch_source import ActivityWatchIdle
        from rae_plugins.triggers.usage.sources.idle_source import IdleSource

        if self.source == "activitywatch":
            return ActivityWatchIdle(after=self.for_, url=self.url, api_key=self.api_key)
        return IdleSource(after=self.for_)


@frozen(kw_only=True)
class IdlePattern(IdlePeriodPattern):
    """Fires once in each idle period, when it has lasted `for`. State: the begin of the current idle period."""

    pattern: ClassVar[str] = "idle"

    def begin(self, now: datetime) -> StepResult:
        """Return the state of a machine in use."""
        return StepResult({"idle_since": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state, and a firing for a new idle period. A restart may report a period again."""
        if event is None or event.name != IDLE:
            return StepResult(state)
        if not event.data["idle"]:
            return StepResult({"idle_since": None})
        if state["idle_since"] is not None:
            return StepResult(state)
        document = {"pattern": self.pattern, "for": format_duration(self.for_), **event.data}
        return StepResult({"idle_since": event.data["since"]}, (Firing(event.id, event.at, document),))


@frozen(kw_only=True)
class ReturnPattern(IdlePeriodPattern):
    """Fires at the first input after an idle period of at least `for`. It has no state."""

    pattern: ClassVar[str] = "return"

    def begin(self, now: datetime) -> StepResult:
        """Return the empty state."""
        return StepResult({})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return a firing at the end of a period: from the last input before it to the first input after it."""
        if event is None or event.name != IDLE or event.data["idle"]:
            return StepResult(state)
        length = parse_instant(event.data["until"]) - parse_instant(event.data["since"])
        if length < self.for_:
            return StepResult(state)
        document = {"pattern": self.pattern, "for": format_duration(self.for_), **event.data}
        return StepResult(state, (Firing(event.id, event.at, document),))
