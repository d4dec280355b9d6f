"""Samples in real time, and what is kept of them over restarts.

Each firing is kept before it is told, and struck off once it was: if the daemon ends in between, it is told again under
the same key, so that it is neither lost nor decided twice.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field
from loguru import logger

from rae_auto.api.trigger import TriggerContext
from rae_auto.errors import StoreError
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.triggers.threshold.readers import Unavailable
from rae_plugins.triggers.threshold.sampling import Sample
from rae_plugins.triggers.threshold.state import Firing, Phase, Rule, State, sampled

PRIMING = 1.0
"""Seconds after which a rate has a first value."""

MOST_FORGOTTEN = timedelta(seconds=10)
"""How much of the time in which a value was beyond may be forgotten when the daemon is killed."""


@define(kw_only=True)
class Watcher:
    """Samples a value as long as it runs. `options` is text by which the options are told from others."""

    watch: TriggerContext
    options: str
    rule: Rule
    sample: Sample
    every: timedelta
    is_rate: bool
    about: Mapping[str, Any]
    _state: State = field(init=False, factory=State)
    _untold: Firing | None = field(init=False, default=None)
    _kept: tuple[State, Firing | None] | None = field(init=False, default=None)
    _file: StateFile = field(init=False)
    _why: str | None = field(init=False, default=None)
    _is_kept: bool = field(init=False, default=True)

    async def run(self) -> None:
        """Until cancelled."""
        self._file = StateFile(self.watch.directory / "threshold.json", self.watch.job)
        if (kept := await self._file.load(self._understood)) is not None:
            self._state, self._untold = self._kept = kept
        try:
            if self._untold is not None:
                await self._tell(self._untold)
            if self.is_rate:
                await self._value()
                await self.watch.timer.sleep(PRIMING)
            while True:
                await self._look()
        finally:
            await self._keep(is_last=True)

    async def _look(self) -> None:
        """Take a sample, and what comes of it; return when the next is due."""
        timer = self.watch.timer
        now = timer.now()
        value = await self._value()
        self._state, firing = sampled(self._state, self.rule, value, now)
        if firing is not None:
            self._untold = firing
        await self._keep()
        if firing is not None:
            await self._tell(firing)
        await timer.sleep(max(now.mono + self.every.total_seconds() - timer.now().mono, 0.0))

    async def _value(self) -> float | None:
        try:
            value = await self.sample()
        except Exception as error:
            # Whatever it is, it is no value; the world is full of sensors that answer with errors.
            why = str(error) if isinstance(error, Unavailable) else f"{type(error).__name__}: {error}"
            self._say_why(why)
            self.watch.trace(f"{self._name()} is unavailable: {why}")
            return None
        self._say_why(None)
        self.watch.trace(f"{self._name()} is {value:g}" if value is not None else f"{self._name()} has no value yet")
        return value

    def _say_why(self, why: str | None) -> None:
        """Log that the value has become unavailable or is back; a rate has none at first, and that is no news."""
        if why == self._why or (self.is_rate and self._state.mono is None):
            return
        log = logger.bind(job=self.watch.job)
        if why is None:
            log.info("trigger {}: {} is available again", self.watch.trigger, self._name())
        elif self._why is None:
            log.warning("trigger {}: {} is unavailable: {}", self.watch.trigger, self._name(), why)
        self._why = why

    def _name(self) -> str:
        return " of ".join(str(word) for word in (self.about["metric"], self.about["of"]) if word)

    async def _tell(self, firing: Firing) -> None:
        event = {**self.about, "value": firing.value, "since": format_instant(firing.since)}
        await self.watch.emit(firing.key, event, firing.at)
        self._untold = None
        await self._keep()

    def _understood(self, document: Mapping[str, Any]) -> tuple[State, Firing | None] | None:
        """What was kept, unless it is of other options."""
        if document.get("options") != self.options:
            return None
        return _state_of(document["state"]), _firing_of(document["untold"])

    async def _keep(self, *, is_last: bool = False) -> None:
        """Make it durable where it has changed. A disk that takes nothing now is tried again with the next sample."""
        now = evolve(self._state, mono=None), self._untold
        if self._kept is not None and not _is_news(self._kept, now, timedelta(0) if is_last else MOST_FORGOTTEN):
            return
        document = {"options": self.options, "state": _written(now[0]), "untold": _told(now[1])}
        try:
            await self._file.keep(document)
        except (OSError, StoreError) as error:
            if self._is_kept:
                logger.bind(job=self.watch.job).warning("trigger {}: can't be kept: {}", self.watch.trigger, error)
            self._is_kept = False
            return
        self._kept, self._is_kept = now, True


def _is_news(kept: tuple[State, Firing | None], now: tuple[State, Firing | None], held: timedelta) -> bool:
    """Whether it differs in more than how long the value was beyond, or in that by so much."""
    (before, untold), (state, untold_now) = kept, now
    if untold != untold_now or (before.phase, before.since) != (state.phase, state.since):
        return True
    return state.phase is Phase.PENDING and state.held > before.held and state.held - before.held >= held


def _written(state: State) -> dict[str, Any]:
    return {
        "phase": state.phase.value,
        "since": state.since and format_instant(state.since),
        "held": state.held.total_seconds(),
        "fired_at": state.fired_at and format_instant(state.fired_at),
        "slept": state.slept,
    }


def _state_of(document: Mapping[str, Any]) -> State:
    slept = document["slept"]
    state = State(
        phase=Phase(document["phase"]),
        since=_instant_of(document["since"]),
        held=timedelta(seconds=document["held"]),
        fired_at=_instant_of(document["fired_at"]),
        slept=None if slept is None else float(slept),
    )
    if state.phase is Phase.PENDING and state.since is None:
        raise ValueError("pending since no instant")
    return state


def _told(firing: Firing | None) -> dict[str, Any] | None:
    if firing is None:
        return None
    return {"since": format_instant(firing.since), "at": format_instant(firing.at), "value": firing.value}


def _firing_of(document: Mapping[str, Any] | None) -> Firing | None:
    if document is None:
        return None
    return Firing(parse_instant(document["since"]), parse_instant(document["at"]), float(document["value"]))


def _instant_of(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)
