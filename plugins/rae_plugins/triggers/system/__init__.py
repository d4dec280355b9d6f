"""Fires on events of the machine: sleep, unlocked screens, networks, power, devices, processes and more."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.converters import optional

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.summaries import named, summarize
from rae_auto.toolkit.toml_values import format_toml
from rae_auto.toolkit.validators import at_least
from rae_plugins.machine.bus import find_system_bus_problem
from rae_plugins.machine.programs import check_pattern
from rae_plugins.triggers.system.changes import Booted, EventFilter
from rae_plugins.triggers.system.event_journal import EventJournal, alone_in, kinds_of
from rae_plugins.triggers.system.event_names import BEFORE_DOWN, DEVICES, LOCKS, POWER, PROCESSES, SESSIONS, EventName
from rae_plugins.triggers.system.platform import has_system_bus, platform_adapter
from rae_plugins.triggers.system.power import read_power

MIN_POLL_INTERVAL = timedelta(seconds=1)


def _names(value: Sequence[str]) -> tuple[EventName, ...]:
    names = tuple(dict.fromkeys(EventName(name) for name in value))
    if not names:
        raise ValueError(f"on must not be empty; choose from {', '.join(EventName)}")
    return names


def _percent(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 99:
        return float(value)
    raise ValueError(f"low is a percentage from 1 to 99, not {format_toml(value, 60)}")


@frozen(kw_only=True)
class SystemTrigger(SourceTrigger):
    """Fires when something happens to the machine: boot and sleep, sessions and locks, network, power, devices,
    processes, the clock.

    An event that can't be observed on this machine is refused, with the reason.
    """

    type: ClassVar[str] = "system"
    example: ClassVar[Mapping[str, Any]] = {"on": ["boot"]}

    on: tuple[EventName, ...] = field(converter=_names, metadata={"help": "names of the events that count"})
    process: str | None = field(
        default=None,
        converter=optional(check_pattern),
        metadata={"help": "program of process-started and process-exited: its name, a glob or /regular expression/"},
    )
    device: str | None = field(
        default=None, metadata={"help": "only devices of this subsystem/name, may have * and ?: block/sd*"}
    )
    user: str | None = field(default=None, metadata={"help": "only sessions of this user"})
    low: float = field(
        default=15.0, converter=_percent, metadata={"help": "percent of the battery at which power-low comes"}
    )
    every: timedelta = field(
        default=timedelta(seconds=5),
        converter=parse_duration,
        validator=at_least(MIN_POLL_INTERVAL),
        metadata={"help": "how often to poll what sends no notification"},
    )

    delay: timedelta = field(
        default=timedelta(0),
        converter=parse_duration,
        metadata={"help": "time from the event to the start; the event that undoes it, or the next one, ends it"},
    )

    def __attrs_post_init__(self) -> None:
        names = set(self.on)
        if self.delay and names & BEFORE_DOWN:
            raise ValueError(
                f"delay is not for {', '.join(sorted(names & BEFORE_DOWN))}, after which nothing runs; "
                "use resume or boot, or remove delay"
            )
        if names & PROCESSES and not self.process:
            raise ValueError("process-started and process-exited need the option process: the name of the program")
        for option, of in (("process", PROCESSES), ("device", DEVICES), ("user", SESSIONS)):
            if getattr(self, option) is not None and not names & of:
                raise ValueError(f"{option} is for {', '.join(sorted(of))}; add one of them to on, or remove {option}")
        missing = platform_adapter().missing(self.on)
        reasons: dict[str, list[str]] = {}
        for name in self.on:
            if name in missing:
                reasons.setdefault(missing[name], []).append(name)
        if reasons:
            raise ValueError(
                "; ".join(f"{', '.join(names)} can't be reported here: {why}" for why, names in reasons.items())
            )

    def summary(self) -> str:
        return summarize(
            self.type,
            self.on,
            named("process", self.process),
            named("device", self.device),
            named("delay", self.delay or None),
        )

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about events that can be observed but seem impossible on this machine."""
        power = sorted(set(self.on) & POWER)
        if power and read_power() is None:
            return (f"no battery is known here, so {', '.join(power)} may never fire",)
        return ()

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why the events can't be observed now."""
        if not has_system_bus() or set(self.on).isdisjoint(BEFORE_DOWN | LOCKS):
            return ()
        return tuple(filter(None, [find_system_bus_problem()]))

    async def watch(self, context: TriggerContext) -> None:
        """Emit events as they happen, and those of this boot that were missed since the last watch."""
        platform = platform_adapter()
        event_filter = EventFilter(
            frozenset(self.on), self.process or "", self.device or "*", self.user, self.low, self.every, context.job
        )
        boot = await asyncio.to_thread(platform.boot)
        async with alone_in(context.directory):
            journal = EventJournal(context, event_filter, boot, self.delay)
            await journal.open(kinds_of(event_filter.names))
            if EventName.BOOT in event_filter.names:
                await journal.report(Booted(boot))
            await platform.watch(event_filter, journal.report, context.timer)
            if event_filter.names == {EventName.BOOT}:
                # Nothing comes before the next start; to return would say that nothing ever will.
                await asyncio.Event().wait()


@hookimpl
def rae_triggers() -> list[type[SourceTrigger]]:
    """Return the system trigger."""
    return [SystemTrigger]
