"""Fires on patterns of use: counts, absences, idle spells, durations and habits, over recorded events."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from attrs import evolve, field, fields, frozen
from attrs.converters import optional as or_none
from attrs.validators import ge, in_, le, lt, optional

from rae_auto.api import Event, PatternTrigger, StepResult, Trigger, TriggerContext
from rae_auto.api.events import RUN_ENDED
from rae_auto.api.pattern import State
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import at_least, time_of_day, zone_name
from rae_plugins.machine import programs
from rae_plugins.triggers.usage.absence import Absence
from rae_plugins.triggers.usage.counting import Count, FirstOfDay, Streak
from rae_plugins.triggers.usage.days import Days
from rae_plugins.triggers.usage.dry_run import DryRun
from rae_plugins.triggers.usage.duration import PerPeriod, PerWindow
from rae_plugins.triggers.usage.fold import IDLE, OCCURRENCE, USE, Fold, Match
from rae_plugins.triggers.usage.habit import Habit
from rae_plugins.triggers.usage.options import Pattern, Source, check
from rae_plugins.triggers.usage.reading import Reading
from rae_plugins.triggers.usage.spells import Idle, Return
from rae_plugins.triggers.usage.surge import Surge
from rae_plugins.triggers.usage.use import AFK

URL = "http://127.0.0.1:5600"
"""Where ActivityWatch listens unless told otherwise."""

MOST = 10_000
"""The greatest `count`: so many instants are kept."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

LEAST = timedelta(seconds=1)
LEAST_SPELL = timedelta(seconds=10)
LONGEST_LEAD = timedelta(hours=12)
LEAST_SURGE = 5


def _is_here(_: object, __: object, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise ValueError(f"'url' must be one of this machine, such as {URL}")


def _help(text: str, **more: str) -> dict[str, str]:
    return {"help": text, **more}


@frozen(kw_only=True)
class UsageTrigger(PatternTrigger):
    """Fires when a pattern shows in what was recorded: so many of something, none of it, an idle spell, a habit.

    It keeps what it knows on this machine alone, and nothing that can't be told counts for true.
    """

    # What is learned takes weeks, and is thrown away when the repr is another one. So options that don't shape what is
    # kept are no part of it: `dry_run` can be taken out without beginning anew.

    type: ClassVar[str] = "usage"

    pattern: Pattern = field(converter=Pattern, metadata=_help("what is looked for"))
    of: str | Trigger | None = field(
        default=None, metadata=_help("what counts: the name of a recorded event, `*` for any text; or a trigger")
    )
    where: Mapping[str, str | int | float | bool] = field(
        factory=dict, metadata=_help("what the event's data must say, by field; texts may be globs")
    )
    count: int | None = field(
        default=None,
        validator=optional([ge(1), le(MOST)]),
        metadata=_help("count: how many; surge: at least so many in the hour, 5 if not given"),
    )
    within: timedelta | None = field(
        default=None,
        converter=or_none(parse_duration),
        validator=at_least(LEAST),
        metadata=_help("count, duration: the time that ends now"),
    )
    for_: timedelta | None = field(
        default=None,
        converter=or_none(parse_duration),
        validator=at_least(LEAST),
        metadata=_help("absence, idle, return, duration: how long"),
    )
    days: int | None = field(default=None, validator=optional(ge(2)), metadata=_help("streak: how many in a row"))
    reset: bool = field(default=True, metadata=_help("count, streak: whether counting begins anew after firing"))
    per: Literal["day", "week"] = field(
        default="day", validator=in_(("day", "week")), metadata=_help("duration: over what use adds up")
    )
    application: str | None = field(
        default=None,
        converter=or_none(programs.checked),
        metadata=_help("whose use counts: name of the process or window, a glob or /regular expression/"),
    )
    title: str | None = field(
        default=None,
        converter=or_none(programs.checked),
        metadata=_help("title of the window, as `application`; ActivityWatch only"),
    )
    not_afk: bool = field(default=True, metadata=_help("whether use counts only while somebody is there"))
    source: Source | None = field(
        default=None,
        converter=or_none(Source),
        metadata=_help("where use and idle spells are read; if not given process, and idle"),
    )
    url: str = field(default=URL, validator=_is_here, repr=False, metadata=_help("where ActivityWatch listens"))
    api_key: str | None = field(default=None, repr=False, metadata=_help("what ActivityWatch asks for, if it does"))
    probability: float = field(
        default=0.6,
        repr=False,
        validator=[ge(0.05), lt(1.0)],
        metadata=_help("habit: how probable it must be"),
    )
    warm_up: int = field(
        default=14,
        repr=False,
        validator=ge(1),
        metadata=_help("habit, surge: days to be observed before it speaks"),
    )
    lead: timedelta = field(
        default=timedelta(0),
        converter=parse_duration,
        repr=False,
        metadata=_help("habit: how long before"),
    )
    sigma: float = field(
        default=3.0, repr=False, validator=ge(0.0), metadata=_help("surge: how many standard deviations above the mean")
    )
    factor: float = field(
        default=2.0, repr=False, validator=ge(1.0), metadata=_help("surge: at least how many times the mean")
    )
    cooldown: timedelta = field(
        default=timedelta(hours=1),
        converter=parse_duration,
        repr=False,
        metadata=_help("surge: the least time between two"),
    )
    dry_run: bool = field(
        default=False,
        repr=False,
        metadata=_help(
            "habit, surge: fire nothing; record an event `usage.dry_run` of what would have fired", former="shadow"
        ),
    )
    day_start: str = field(default="04:00", converter=time_of_day, metadata=_help("when a day begins"))
    timezone: str | None = field(
        default=None, converter=zone_name, metadata=_help("zone of the days; by default the configured one")
    )
    _fold: Fold = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse what doesn't go together."""
        check(self.pattern, self._given())
        if self.lead > LONGEST_LEAD:
            raise ValueError(f"'lead' must be at most {format_duration(LONGEST_LEAD)}")
        if self._is_of_spells and self.for_ is not None and self.for_ < LEAST_SPELL:
            raise ValueError(f"'for' must be at least {format_duration(LEAST_SPELL)}")
        object.__setattr__(self, "_fold", self._made())

    def event_names(self) -> tuple[str, ...]:
        """The events that it is of."""
        return (self.of,) if isinstance(self.of, str) else ()

    def parts(self) -> Mapping[str, Trigger]:
        """What it is of, where that is a trigger; or what tells of use, or of idle spells."""
        if isinstance(self.of, str):
            return {}
        if self.of is not None:
            return {OCCURRENCE: self.of}
        reading = Reading(self.source, self.url, self.api_key)
        if self._is_of_spells:
            return {IDLE: reading.idle(self.for_ or LEAST_SPELL)}
        return {USE: reading.use(self.application, self.title, not_afk=self.not_afk)}

    def begin(self, now: datetime) -> StepResult:
        """Where the pattern begins."""
        return self._fold.begin(now)

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """What comes of an event or of time; in a dry run nothing fires."""
        progress = self._fold.step(state, event, now)
        return evolve(progress, firings=()) if self.dry_run else progress

    async def watch(self, watch: TriggerContext) -> None:
        """Look for the pattern; in a dry run what fires is reported, and nobody is told of it."""
        if self.dry_run:
            await evolve(self, dry_run=False).watch(evolve(watch, emit=DryRun(watch)))
        else:
            await super().watch(watch)

    def upstream_jobs(self) -> tuple[str, ...]:
        """The job whose ends are counted, where it is one: that must be another one, or it would start itself."""
        job = self.where.get("job")
        is_one = isinstance(job, str) and not set(job) & set("*?[")
        if self.pattern is Pattern.COUNT and self._hears_ends and is_one:
            return (str(job),)
        return super().upstream_jobs()

    def warnings(self) -> tuple[str, ...]:
        """Doubts about what counts."""
        doubts = list(self.of.warnings()) if self.of is not None and not isinstance(self.of, str) else []
        if self.pattern in (Pattern.COUNT, Pattern.SURGE) and self._hears_ends and "job" not in self.where:
            doubts.append('the ends of its own runs count too; name the jobs with where = { job = "…" }')
        is_afk = self._is_of_spells and self.source is Source.ACTIVITYWATCH
        if is_afk and self.for_ is not None and self.for_ < AFK:
            doubts.append(f"ActivityWatch knows no spell shorter than {format_duration(AFK)}")
        return tuple(doubts)

    @property
    def _is_of_spells(self) -> bool:
        return self.pattern in (Pattern.IDLE, Pattern.RETURN)

    @property
    def _hears_ends(self) -> bool:
        """Whether the ends of runs may be among what counts."""
        if not isinstance(self.of, str):
            return False
        start, star, _ = self.of.partition("*")
        return start.startswith(RUN_ENDED) or (bool(star) and RUN_ENDED.startswith(start))

    def _given(self) -> dict[str, Any]:
        """The options that say something else than they do by default."""
        options = [
            option for option in fields(UsageTrigger) if option.init and option.name not in ("pattern", "timezone")
        ]
        values = {option.name: getattr(self, option.name) for option in options}
        standard: dict[str, Any] = {**{option.name: option.default for option in options}, "where": {}}
        return {name.rstrip("_"): value for name, value in values.items() if value != standard[name]}

    def _made(self) -> Fold:
        """The pattern itself; `check` has seen to it that it has what it needs."""
        lasting, within = self.for_ or timedelta(0), self.within or timedelta(0)
        matches, days = self._match(), Days(zone(self.timezone or "local").key, self.day_start)
        match self.pattern:
            case Pattern.COUNT:
                return Count(matches, self.count or 1, within, self.reset)
            case Pattern.ABSENCE:
                return Absence(matches, lasting)
            case Pattern.FIRST_OF_DAY:
                return FirstOfDay(matches, days)
            case Pattern.IDLE:
                return Idle(lasting)
            case Pattern.RETURN:
                return Return(lasting)
            case Pattern.DURATION:
                return PerWindow(lasting, self.within) if self.within else PerPeriod(lasting, self.per, days)
            case Pattern.STREAK:
                return Streak(matches, days, self.days or 1, self.reset)
            case Pattern.HABIT:
                return Habit(matches, days, self.probability, self.warm_up, self.lead)
            case Pattern.SURGE:
                count = self.count or LEAST_SURGE
                return Surge(matches, days, count, self.sigma, self.factor, self.warm_up, self.cooldown)

    def _match(self) -> Match:
        if self.of is None:
            return Match(USE, {"began": True}, self.application or self.title or "")
        return Match(self.of, self.where) if isinstance(self.of, str) else Match(OCCURRENCE, self.where, self.of.type)


@hookimpl
def rae_triggers() -> list[type[PatternTrigger]]:
    """The usage trigger."""
    return [UsageTrigger]
