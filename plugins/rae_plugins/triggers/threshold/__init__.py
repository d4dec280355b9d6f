"""The threshold trigger: fires when a number crosses a level and stays there."""

import math
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from attrs import Attribute, field, frozen
from attrs.converters import optional

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.commands import check_command
from rae_auto.toolkit.summaries import named, summarize
from rae_auto.toolkit.validators import absolute_path, at_least, positive_duration
from rae_plugins.machine.programs import check_pattern
from rae_plugins.triggers.threshold.command import read_command_number
from rae_plugins.triggers.threshold.levels import Level, parse_level, quote_value
from rae_plugins.triggers.threshold.metrics import MEASURES, Measure, Metric, SubjectKind, unsupported_reason
from rae_plugins.triggers.threshold.readers import Subject
from rae_plugins.triggers.threshold.sampling import Sampler, make_thread_sampler
from rae_plugins.triggers.threshold.state import ThresholdRule
from rae_plugins.triggers.threshold.warnings import find_warnings
from rae_plugins.triggers.threshold.watcher import ThresholdWatcher

MIN_INTERVAL = timedelta(seconds=1)


@frozen(kw_only=True)
class ThresholdTrigger(SourceTrigger):
    """Fires when a number crosses a level: load, memory, disk space, a temperature, or what a command prints.

    It fires again only after the number has come back to `clear`. A value that cannot be read is not zero.
    """

    type: ClassVar[str] = "threshold"
    example: ClassVar[Mapping[str, Any]] = {"metric": "disk-free", "of": "/", "below": "5GB"}

    metric: Metric | None = field(
        default=None, converter=optional(Metric), metadata={"help": "the metric to read; not needed with `command`"}
    )
    of: str | None = field(default=None, metadata={"help": "mount point, interface, sensor or program to read it from"})
    command: tuple[str, ...] | None = field(
        default=None,
        converter=optional(tuple),
        metadata={"help": "a command that prints the number, as its words"},
    )
    cwd: str | None = field(
        default=None,
        converter=optional(absolute_path),
        metadata={
            "help": "working directory of the command; by default the folder of the configuration file",
            "is_folder": True,
        },
    )
    above: float | str | None = field(default=None, metadata={"help": "fires when the number rises above this level"})
    below: float | str | None = field(default=None, metadata={"help": "fires when the number falls below this level"})
    for_: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "how long it must stay beyond the level"}
    )
    clear: float | str | None = field(
        default=None, metadata={"help": "level to come back to before it can fire again; default: the level itself"}
    )
    cooldown: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "shortest time between two firings"}
    )
    every: timedelta = field(
        default=timedelta(seconds=10),
        converter=parse_duration,
        validator=at_least(MIN_INTERVAL),
        metadata={"help": "interval of readings"},
    )
    timeout: timedelta = field(
        default=timedelta(seconds=10),
        converter=parse_duration,
        validator=positive_duration(),
        metadata={"help": "longest time that a reading may take"},
    )
    at_start: bool = field(default=False, metadata={"help": "whether to fire if the first reading is beyond the level"})

    @metric.validator
    def _check_metric(self, _: "Attribute[Metric | None]", metric: Metric | None) -> None:
        if metric is None and self.command is None:
            raise ValueError("metric is missing; give metric, or command with a command that prints the number")
        if metric is Metric.COMMAND and self.command is None:
            raise ValueError('command is missing; metric "command" needs the words of a command that prints the number')
        if (reason := unsupported_reason(self.measured)) is not None:
            raise ValueError(f"'metric' {reason}")

    @of.validator
    def _check_of(self, _: "Attribute[str | None]", of: str | None) -> None:
        kind = self.measure.of
        if of is None:
            if kind not in (SubjectKind.NOTHING, SubjectKind.SENSOR):
                raise ValueError(f"'of' is missing; metric {self.measured} needs {kind.value}")
        elif kind is SubjectKind.NOTHING:
            raise ValueError(f"'of' must be left out: metric {self.measured} has no parts to choose from")
        elif not of.strip() or "\0" in of or (kind is SubjectKind.MOUNT and not os.path.isabs(of)):  # noqa: PTH117 - no file is meant
            raise ValueError(f"'of' must be {kind.value}, not {quote_value(of)}")
        elif kind is SubjectKind.PROCESS:
            check_pattern(of)

    @command.validator
    def _check_command(self, option: "Attribute[tuple[str, ...] | None]", command: tuple[str, ...] | None) -> None:
        if command is None:
            return
        if self.metric not in (None, Metric.COMMAND):
            raise ValueError(f"'command' must be left out with metric {self.metric}")
        check_command(self, option, command)

    @above.validator
    def _check_above(self, _: "Attribute[float | str | None]", above: float | str | None) -> None:
        if above is not None:
            level = self._level_of("above", above)
            if level.value >= self.measure.maximum_in(level.unit) or level.value < self.measure.minimum:
                raise ValueError(f"'above' must be {self._range(level)}: {self.measured} can't cross {above}")

    @below.validator
    def _check_below(self, _: "Attribute[float | str | None]", below: float | str | None) -> None:
        if (below is None) == (self.above is None):
            raise ValueError("set exactly one of above and below")
        if below is not None:
            level = self._level_of("below", below)
            if level.value <= self.measure.minimum or level.value > self.measure.maximum_in(level.unit):
                raise ValueError(f"'below' must be {self._range(level)}: {self.measured} can't cross {below}")

    @clear.validator
    def _check_clear(self, _: "Attribute[float | str | None]", clear: float | str | None) -> None:
        if clear is None:
            return
        level, back = self.level, self._level_of("clear", clear)
        written = self.above if self.below is None else self.below
        if back.unit is not level.unit:
            raise ValueError(f"'clear' must be in {level.unit}, like the level {written}")
        if (back.value > level.value) if self.below is None else (back.value < level.value):
            side = "at most above" if self.below is None else "at least below"
            raise ValueError(f"'clear' must be {side}, which is {written}")
        if not self.measure.minimum <= back.value <= self.measure.maximum_in(back.unit):
            raise ValueError(f"'clear' must be {self._range(back)}: {self.measured} can't reach {clear}")

    @property
    def measured(self) -> Metric:
        """The metric to read."""
        return self.metric or Metric.COMMAND

    @property
    def measure(self) -> Measure:
        """The way in which the metric is read."""
        return MEASURES[self.measured]

    @property
    def level(self) -> Level:
        """The level, in its unit."""
        return self._level_of("above", self.above) if self.below is None else self._level_of("below", self.below)

    @property
    def rule(self) -> ThresholdRule:
        """The rule by which it fires."""
        clear = self.level if self.clear is None else self._level_of("clear", self.clear)
        return ThresholdRule(
            is_above=self.below is None,
            level=self.level.value,
            clear=clear.value,
            duration=self.for_,
            cooldown=self.cooldown,
            at_start=self.at_start,
            max_sample_gap=2 * self.every + self.timeout,
        )

    def make_sampler(self) -> Sampler:
        """Return the function that takes its samples."""
        if self.command is not None:
            command, timeout = self.command, self.timeout
            return lambda: read_command_number(command, timeout, self.cwd)
        assert self.measure.reader is not None
        # The reader runs in a thread, where the timer must not be used.
        subject = Subject(self._subject(), self.level.unit, time.monotonic)
        return make_thread_sampler(self.measure.reader(subject), self.timeout)

    def summary(self) -> str:
        return summarize(
            self.type,
            self.metric or self.command,
            named("of", self.of),
            named("above", self.above),
            named("below", self.below),
        )

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about subjects that are missing now, and about options that do not fit together."""
        return find_warnings(self.measured, self._subject(), self.command, self.cwd, self.for_, self.every)

    async def watch(self, context: TriggerContext) -> None:
        """Take samples until cancelled."""
        event_base: dict[str, Any] = {
            "metric": self.measured.value,
            "of": self.of,
            "above" if self.below is None else "below": self.level.value,
            "unit": self.level.unit.value,
            "for": format_duration(self.for_),
        }
        await ThresholdWatcher(
            context=context,
            options=repr(self),
            rule=self.rule,
            sample=self.make_sampler(),
            every=self.every,
            is_rate=self.measure.is_rate,
            event_base=event_base,
        ).run()

    def _subject(self) -> str:
        if self.of is None:
            return "*" if self.measure.of is SubjectKind.SENSOR else ""
        return os.path.normpath(self.of) if self.measure.of is SubjectKind.MOUNT else self.of

    def _level_of(self, option: str, value: object) -> Level:
        try:
            return parse_level(value, self.measure.units)
        except ValueError as error:
            raise ValueError(f"'{option}' {error}") from None

    def _range(self, level: Level) -> str:
        minimum, maximum = self.measure.minimum, self.measure.maximum_in(level.unit)
        return f"more than {minimum:g}" if math.isinf(maximum) else f"between {minimum:g} and {maximum:g}"


@hookimpl
def rae_triggers() -> list[type[SourceTrigger]]:
    """Return the threshold trigger."""
    return [ThresholdTrigger]
