"""Options that several patterns share, with their validation.

Learning takes weeks, and what was learned is discarded when the repr of a pattern changes. Options that don't shape
the state are therefore not part of the repr: `dry_run`, for example, can be removed without starting over.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from attrs import evolve, field, fields_dict, frozen
from attrs.converters import optional as or_none
from attrs.validators import ge

from rae_auto.api import Event, PatternTrigger, SourceTrigger, StepResult, Trigger, TriggerContext
from rae_auto.api.events import RUN_ENDED
from rae_auto.api.pattern import State
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.secrets import Secret, to_secret
from rae_auto.toolkit.summaries import named, summarize
from rae_auto.toolkit.toml_values import format_toml
from rae_auto.toolkit.validators import time_of_day, zone_name
from rae_plugins.machine import programs
from rae_plugins.triggers.usage.patterns.days import Days
from rae_plugins.triggers.usage.patterns.dry_run import DryRunEmit
from rae_plugins.triggers.usage.patterns.matching import OCCURRENCE, USE, EventMatcher

ACTIVITYWATCH_URL = "http://127.0.0.1:5600"
"""The address at which ActivityWatch listens by default."""

MIN_PERIOD = timedelta(seconds=1)
"""The shortest time that an option may name."""

_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

_EVENT_NAME = re.compile(r"(?=.{1,128}$)(?!gap$)[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*")
"""A name that an event may have, with `*` for any text; "gap" is not one, because a gap never counts."""


def option_help(text: str, **more: str) -> dict[str, str]:
    """Return the metadata of an option with this help."""
    return {"help": text, **more}


def _require_loopback(_: object, __: object, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK_HOSTS:
        raise ValueError(f"'url' must be an address of this machine, such as {ACTIVITYWATCH_URL}")


def _require_event_name(_: object, __: object, value: str | Trigger | None) -> None:
    if isinstance(value, str) and not _EVENT_NAME.fullmatch(value):
        given = format_toml(value, 80)
        raise ValueError(f"'of' must be the name of an event, such as door.opened or door.*, not {given}")


def url_option() -> Any:
    """Return the field for the address of ActivityWatch."""
    return field(
        default=ACTIVITYWATCH_URL,
        validator=_require_loopback,
        repr=False,
        metadata=option_help("address of ActivityWatch, on this machine"),
    )


def api_key_option() -> Any:
    """Return the field for the key of ActivityWatch."""
    help = option_help("key of ActivityWatch, if it requires one, as ${file:PATH} or another reference")
    return field(default=None, converter=or_none(to_secret), metadata=help)


@frozen(kw_only=True, slots=False)
class UsagePattern(PatternTrigger):
    """Base of the patterns."""

    type: ClassVar[str] = "usage"
    pattern: ClassVar[str]
    """The value of the option `pattern` that chooses the class."""

    def summary(self) -> str:
        """Return the pattern, and the options that most patterns have."""
        options = (named(name.rstrip("_"), getattr(self, name, None)) for name in ("of", "application", "for_"))
        return summarize(self.type, self.pattern, *options)

    def _require_activitywatch(self, source: str, *names: str) -> None:
        """Refuse options that only ActivityWatch has. Raises ValueError."""
        if source != "activitywatch" and (name := self._first_set(*names)):
            raise ValueError(f"'{name}' must be removed, or source = \"activitywatch\" set, which alone has it")

    def _first_set(self, *names: str) -> str | None:
        """Return the first of these options that differs from its default."""
        options = fields_dict(type(self))
        return next((name for name in names if getattr(self, name) != options[name].default), None)


@frozen(kw_only=True, slots=False)
class UsePattern(UsagePattern):
    """Base of the patterns that read the use of an application."""

    application: str | None = field(
        default=None,
        converter=or_none(programs.check_pattern),
        metadata=option_help("application whose use counts: name of the process, a glob or /regular expression/"),
    )
    title: str | None = field(
        default=None,
        converter=or_none(programs.check_pattern),
        metadata=option_help("title of the window, like `application`; ActivityWatch only"),
    )
    not_afk: bool = field(default=True, metadata=option_help("count use only while there is keyboard or mouse input"))
    source: Literal["process", "activitywatch"] | None = field(
        default=None, metadata=option_help("where use is read; process if not set")
    )
    url: str = url_option()
    api_key: Secret | None = api_key_option()  # noqa: RUF009 - it makes a field

    def __attrs_post_init__(self) -> None:
        """Refuse options that don't go together. Raises ValueError."""
        if self.application is None and self.title is None:
            raise ValueError(self._nothing_counts())
        self._require_activitywatch(self.source or "process", "title", "url", "api_key")

    def _nothing_counts(self) -> str:
        return "nothing counts; set 'application' to the name of the application whose use counts"

    def parts(self) -> Mapping[str, Trigger]:
        """Return the source of the use."""
        return {USE: self._use_source()}

    def _use_source(self) -> SourceTrigger:
        # lazy: the libraries that only this source needs
        from rae_plugins.triggers.usage.sources.activitywatch_source import ActivityWatchUse
        from rae_plugins.triggers.usage.sources.application_source import ApplicationSource

        if self.source == "activitywatch":
            return ActivityWatchUse(
                application=self.application,
                title=self.title,
                not_afk=self.not_afk,
                url=self.url,
                api_key=self.api_key,
            )
        assert self.application is not None
        return ApplicationSource(application=self.application, not_afk=self.not_afk)


@frozen(kw_only=True, slots=False)
class EventOptions:
    """Options that name the events that count."""

    of: str | Trigger | None = field(
        default=None,
        validator=_require_event_name,
        metadata=option_help("what counts: the name of a recorded event, `*` for any text; or a trigger"),
    )
    where: Mapping[str, str | int | float | bool] = field(
        factory=dict, metadata=option_help("required data of the event, by field; texts may be globs")
    )


@frozen(kw_only=True, slots=False)
class EventPattern(UsePattern, EventOptions):
    """Base of the patterns of events: recorded ones, occurrences of a trigger, or the start of a session of use."""

    _matcher: EventMatcher = field(init=False, eq=False, repr=False)

    @_matcher.default
    def _make_matcher(self) -> EventMatcher:
        if self.of is None:
            return EventMatcher(USE, {"began": True}, self.application or self.title or "")
        if isinstance(self.of, str):
            return EventMatcher(self.of, self.where)
        return EventMatcher(OCCURRENCE, self.where, self.of.type)

    def __attrs_post_init__(self) -> None:
        """Refuse options that don't go together. Raises ValueError."""
        if self.of is None:
            super().__attrs_post_init__()
            if self.where:
                raise ValueError("'where' must be removed, because it compares the data of the events that 'of' names")
        elif name := self._first_set("application", "title", "not_afk", "source", "url", "api_key"):
            raise ValueError(f"'{name}' must be removed, because 'of' already says what counts")

    def _nothing_counts(self) -> str:
        return "nothing counts; set 'of' to the name of an event or to a trigger, or set 'application'"

    def event_names(self) -> tuple[str, ...]:
        """Return the names of the recorded events that count."""
        return (self.of,) if isinstance(self.of, str) else ()

    def parts(self) -> Mapping[str, Trigger]:
        """Return the trigger whose occurrences count, or the source of the use."""
        if isinstance(self.of, str):
            return {}
        return super().parts() if self.of is None else {OCCURRENCE: self.of}

    def warnings(self) -> tuple[str, ...]:
        """Return the warnings of the trigger whose occurrences count."""
        return () if self.of is None or isinstance(self.of, str) else self.of.warnings()

    @property
    def _counts_run_ends(self) -> bool:
        """True if ends of runs may be among the events that count."""
        if not isinstance(self.of, str):
            return False
        start, star, _ = self.of.partition("*")
        return start.startswith(RUN_ENDED) or (bool(star) and RUN_ENDED.startswith(start))

    def _own_run_warnings(self) -> tuple[str, ...]:
        if self._counts_run_ends and "job" not in self.where:
            return ('the ends of its own runs count too; name the jobs with where = { job = "…" }',)
        return ()


@frozen(kw_only=True, slots=False)
class DayOptions:
    """Options that say when a day begins."""

    day_start: str = field(default="04:00", converter=time_of_day, metadata=option_help("time at which a day begins"))
    timezone: str | None = field(
        default=None, converter=zone_name, metadata=option_help("time zone of the days; by default the configured one")
    )
    _local_days: Days = field(init=False, eq=False, repr=False)

    @_local_days.default
    def _make_local_days(self) -> Days:
        return Days(zone(self.timezone or "local").key, self.day_start)


@frozen(kw_only=True, slots=False)
class LearningPattern(DayOptions, EventPattern):
    """Base of the patterns that learn from earlier days."""

    warm_up: int = field(
        default=14, repr=False, validator=ge(1), metadata=option_help("observed days before it first fires")
    )
    dry_run: bool = field(
        default=False,
        repr=False,
        metadata=option_help("fire nothing; record an event `usage.dry_run` instead of each firing", former="shadow"),
    )

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state and firings; in a dry run there are no firings."""
        result = self._learn(state, event, now)
        return evolve(result, firings=()) if self.dry_run else result

    def _learn(self, state: State, event: Event | None, now: datetime) -> StepResult:
        raise NotImplementedError

    async def watch(self, context: TriggerContext) -> None:
        """Run the pattern; in a dry run each firing is recorded as an event and logged."""
        if self.dry_run:
            await evolve(self, dry_run=False).watch(evolve(context, emit=DryRunEmit(context)))
        else:
            await super().watch(context)
