"""Fires when a number crosses a level, and stays there."""

import math
import os
import time
from datetime import timedelta
from typing import Any, ClassVar

from attrs import Attribute, field, frozen
from attrs.converters import optional

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.validators import at_least, longer_than_nothing
from rae_plugins.machine.commands import can_be_run
from rae_plugins.machine.programs import checked
from rae_plugins.triggers.threshold.command import number_of
from rae_plugins.triggers.threshold.doubts import doubts_of
from rae_plugins.triggers.threshold.levels import Level, parse_level, shown
from rae_plugins.triggers.threshold.metrics import MEASURES, Measure, Metric, Of, lacking
from rae_plugins.triggers.threshold.readers import Subject
from rae_plugins.triggers.threshold.sampling import Sample, in_thread
from rae_plugins.triggers.threshold.state import Rule
from rae_plugins.triggers.threshold.watcher import Watcher

LEAST_EVERY = timedelta(seconds=1)


@frozen(kw_only=True)
class ThresholdTrigger(SourceTrigger):
    """Fires when a number crosses a level: load, memory, disk space, a temperature, or what a command prints.

    Once it has fired it fires again only after the number has come back to `clear`. What can't be read is not zero.
    """

    type: ClassVar[str] = "threshold"

    metric: Metric | None = field(
        default=None, converter=optional(Metric), metadata={"help": "what is measured; needless with `command`"}
    )
    of: str | None = field(
        default=None, metadata={"help": "of which mount point, interface, sensor or program, where there are several"}
    )
    command: tuple[str, ...] | None = field(
        default=None, converter=optional(tuple), metadata={"help": "words of a command that prints the number"}
    )
    above: float | str | None = field(default=None, metadata={"help": "fires when it gets larger than this"})
    below: float | str | None = field(default=None, metadata={"help": "fires when it gets smaller than this"})
    for_: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "how long it must have been there"}
    )
    clear: float | str | None = field(
        default=None, metadata={"help": "where it must come back to before it fires again; by default the level"}
    )
    cooldown: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "for how long it doesn't fire again"}
    )
    every: timedelta = field(
        default=timedelta(seconds=10),
        converter=parse_duration,
        validator=at_least(LEAST_EVERY),
        metadata={"help": "how often it is read"},
    )
    timeout: timedelta = field(
        default=timedelta(seconds=10),
        converter=parse_duration,
        validator=longer_than_nothing(),
        metadata={"help": "how long a reading may take"},
    )
    at_start: bool = field(default=False, metadata={"help": "whether it fires where it begins beyond the level"})

    @metric.validator
    def _is_told_here(self, _: "Attribute[Metric | None]", metric: Metric | None) -> None:
        if metric is None and self.command is None:
            raise ValueError("give metric, or command with the words of what prints the number")
        if metric is Metric.COMMAND and self.command is None:
            raise ValueError("metric command needs command: the words of what prints the number")
        if (reason := lacking(self.measured)) is not None:
            raise ValueError(f"'metric' {reason}")

    @of.validator
    def _names_something(self, _: "Attribute[str | None]", of: str | None) -> None:
        kind = self.measure.of
        if of is None:
            if kind not in (Of.NOTHING, Of.SENSOR):
                raise ValueError(f"metric {self.measured} needs of: {kind.value}")
        elif kind is Of.NOTHING:
            raise ValueError(f"'of' must be left out: there is one {self.measured} alone")
        elif not of.strip() or "\0" in of or (kind is Of.MOUNT and not os.path.isabs(of)):  # noqa: PTH117 - no file is meant
            raise ValueError(f"'of' must be {kind.value}, not {shown(of)}")
        elif kind is Of.PROCESS:
            checked(of)

    @command.validator
    def _belongs_to_its_metric(
        self, option: "Attribute[tuple[str, ...] | None]", command: tuple[str, ...] | None
    ) -> None:
        if command is None:
            return
        if self.metric not in (None, Metric.COMMAND):
            raise ValueError(f"'command' must be left out with metric {self.metric}")
        can_be_run(self, option, command)

    @above.validator
    def _is_below_the_most(self, _: "Attribute[float | str | None]", above: float | str | None) -> None:
        if above is not None:
            level = self._level_of("above", above)
            if level.value >= self.measure.most_in(level.unit) or level.value < self.measure.least:
                raise ValueError(f"'above' must be {self._range(level)}: {self.measured} never crosses {above}")

    @below.validator
    def _is_above_the_least(self, _: "Attribute[float | str | None]", below: float | str | None) -> None:
        if (below is None) == (self.above is None):
            raise ValueError("give one of above and below: the level that is to be crossed")
        if below is not None:
            level = self._level_of("below", below)
            if level.value <= self.measure.least or level.value > self.measure.most_in(level.unit):
                raise ValueError(f"'below' must be {self._range(level)}: {self.measured} never crosses {below}")

    @clear.validator
    def _lies_on_the_good_side(self, _: "Attribute[float | str | None]", clear: float | str | None) -> None:
        if clear is None:
            return
        level, back = self.level, self._level_of("clear", clear)
        written = self.above if self.below is None else self.below
        if back.unit is not level.unit:
            raise ValueError(f"'clear' must be in {level.unit}, as the level {written} is")
        if (back.value > level.value) if self.below is None else (back.value < level.value):
            side = "at most above" if self.below is None else "at least below"
            raise ValueError(f"'clear' must be {side}, which is {written}")
        if not self.measure.least <= back.value <= self.measure.most_in(back.unit):
            raise ValueError(f"'clear' must be {self._range(back)}: {self.measured} never gets to {clear}")

    @property
    def measured(self) -> Metric:
        """What is measured."""
        return self.metric or Metric.COMMAND

    @property
    def measure(self) -> Measure:
        """How that is read."""
        return MEASURES[self.measured]

    @property
    def level(self) -> Level:
        """The level, in its unit."""
        return self._level_of("above", self.above) if self.below is None else self._level_of("below", self.below)

    @property
    def rule(self) -> Rule:
        """When it fires."""
        clear = self.level if self.clear is None else self._level_of("clear", self.clear)
        return Rule(
            is_above=self.below is None,
            level=self.level.value,
            clear=clear.value,
            lasting=self.for_,
            cooldown=self.cooldown,
            at_start=self.at_start,
            gap=2 * self.every + self.timeout,
        )

    def sampler(self) -> Sample:
        """What takes its samples."""
        if self.command is not None:
            command, timeout = self.command, self.timeout
            return lambda: number_of(command, timeout)
        assert self.measure.reader is not None
        # What the machine counts it counts by its own clock, and the timer is no thing for threads.
        subject = Subject(self._subject(), self.level.unit, time.monotonic)
        return in_thread(self.measure.reader(subject), self.timeout)

    def warnings(self) -> tuple[str, ...]:
        """What it measures that isn't there now, and options that don't go together."""
        return doubts_of(self.measured, self._subject(), self.command, self.for_, self.every)

    async def watch(self, watch: TriggerContext) -> None:
        """Take a sample every so often."""
        about: dict[str, Any] = {
            "metric": self.measured.value,
            "of": self.of,
            "above" if self.below is None else "below": self.level.value,
            "unit": self.level.unit.value,
            "for": format_duration(self.for_),
        }
        await Watcher(
            watch=watch,
            options=repr(self),
            rule=self.rule,
            sample=self.sampler(),
            every=self.every,
            is_rate=self.measure.is_rate,
            about=about,
        ).run()

    def _subject(self) -> str:
        if self.of is None:
            return "*" if self.measure.of is Of.SENSOR else ""
        return os.path.normpath(self.of) if self.measure.of is Of.MOUNT else self.of

    def _level_of(self, option: str, value: object) -> Level:
        try:
            return parse_level(value, self.measure.units)
        except ValueError as error:
            raise ValueError(f"'{option}' {error}") from None

    def _range(self, level: Level) -> str:
        least, most = self.measure.least, self.measure.most_in(level.unit)
        return f"more than {least:g}" if math.isinf(most) else f"between {least:g} and {most:g}"


@hookimpl
def rae_triggers() -> list[type[SourceTrigger]]:
    """The threshold trigger."""
    return [ThresholdTrigger]
