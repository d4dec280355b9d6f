"""Samples in real time, and the state that survives restarts.

Each crossing is saved before it is delivered, and removed after that. If the daemon ends in between, it is delivered
again under the same key, so it is neither lost nor decided twice.
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
from rae_plugins.triggers.threshold.sampling import Sampler
from rae_plugins.triggers.threshold.state import Crossing, Phase, ThresholdRule, ThresholdState, apply_sample

RATE_WARMUP_SECONDS = 1.0
"""The time until a rate has its first value."""

MAX_UNSAVED_TIME = timedelta(seconds=10)
"""Observed time beyond the level that a kill may lose at most."""


@define(kw_only=True)
class ThresholdWatcher:
    """The watcher of one threshold. `options` is a text that changes with the options."""

    context: TriggerContext
    options: str
    rule: ThresholdRule
    sample: Sampler
    every: timedelta
    is_rate: bool
    event_base: Mapping[str, Any]
    _state: ThresholdState = field(init=False, factory=ThresholdState)
    _undelivered: Crossing | None = field(init=False, default=None)
    _saved: tuple[ThresholdState, Crossing | None] | None = field(init=False, default=None)
    _file: StateFile = field(init=False)
    _unavailable_reason: str | None = field(init=False, default=None)
    _is_saved: bool = field(init=False, default=True)

    async def run(self) -> None:
        """Watch until cancelled."""
        self._file = StateFile(self.context.directory / "threshold.json", self.context.job)
        if (saved := await self._file.load(self._parse_document)) is not None:
            self._state, self._undelivered = self._saved = saved
        try:
            if self._undelivered is not None:
                await self._deliver(self._undelivered)
            if self.is_rate:
                await self._read_value()
                await self.context.timer.sleep(RATE_WARMUP_SECONDS)
            while True:
                await self._take_sample()
        finally:
            await self._save(is_last=True)

    async def _take_sample(self) -> None:
        """Take a sample and deliver a crossing; return when the next sample is due."""
        timer = self.context.timer
        now = timer.now()
        value = await self._read_value()
        self._state, crossing = apply_sample(self._state, self.rule, value, now)
        if crossing is not None:
            self._undelivered = crossing
        await self._save()
        if crossing is not None:
            await self._deliver(crossing)
        await timer.sleep(max(now.mono + self.every.total_seconds() - timer.now().mono, 0.0))

    async def _read_value(self) -> float | None:
        try:
            value = await self.sample()
        except Exception as error:
            # Any error means that there is no value: sensors fail in many ways.
            reason = str(error) if isinstance(error, Unavailable) else f"{type(error).__name__}: {error}"
            self._log_availability(reason)
            self.context.trace(f"{self._label()} is unavailable: {reason}")
            return None
        self._log_availability(None)
        self.context.trace(
            f"{self._label()} is {value:g}" if value is not None else f"{self._label()} has no value yet"
        )
        return value

    def _log_availability(self, reason: str | None) -> None:
        """Log that the value has become unavailable, or available again; a rate always begins without one."""
        if reason == self._unavailable_reason or (self.is_rate and self._state.mono is None):
            return
        log = logger.bind(job=self.context.job)
        if reason is None:
            log.info("trigger {}: {} is available again", self.context.trigger, self._label())
        elif self._unavailable_reason is None:
            log.warning("trigger {}: {} is unavailable: {}", self.context.trigger, self._label(), reason)
        self._unavailable_reason = reason

    def _label(self) -> str:
        return " of ".join(str(word) for word in (self.event_base["metric"], self.event_base["of"]) if word)

    async def _deliver(self, crossing: Crossing) -> None:
        event = {**self.event_base, "value": crossing.value, "since": format_instant(crossing.since)}
        await self.context.emit(crossing.key, event, crossing.at)
        self._undelivered = None
        await self._save()

    def _parse_document(self, document: Mapping[str, Any]) -> tuple[ThresholdState, Crossing | None] | None:
        """Return the saved state, or None if it belongs to other options."""
        if document.get("options") != self.options:
            return None
        return _parse_state(document["state"]), _parse_crossing(document["undelivered"])

    async def _save(self, *, is_last: bool = False) -> None:
        """Save the state if it has changed. If the disk refuses, the next sample tries again."""
        current = evolve(self._state, mono=None), self._undelivered
        max_unsaved = timedelta(0) if is_last else MAX_UNSAVED_TIME
        if self._saved is not None and not _needs_saving(self._saved, current, max_unsaved):
            return
        document = {
            "options": self.options,
            "state": _to_document(current[0]),
            "undelivered": _crossing_document(current[1]),
        }
        try:
            await self._file.save(document)
        except (OSError, StoreError) as error:
            if self._is_saved:
                logger.bind(job=self.context.job).warning(
                    "trigger {}: can't save its state: {}", self.context.trigger, error
                )
            self._is_saved = False
            return
        self._saved, self._is_saved = current, True


_SavedState = tuple[ThresholdState, Crossing | None]


def _needs_saving(saved: _SavedState, current: _SavedState, max_unsaved: timedelta) -> bool:
    """Return whether more has changed than the time beyond the level, or that time by `max_unsaved`."""
    (old, old_crossing), (new, new_crossing) = saved, current
    if old_crossing != new_crossing or (old.phase, old.since) != (new.phase, new.since):
        return True
    unsaved = new.time_beyond - old.time_beyond
    return new.phase is Phase.PENDING and unsaved > timedelta(0) and unsaved >= max_unsaved


def _to_document(state: ThresholdState) -> dict[str, Any]:
    return {
        "phase": state.phase.value,
        "since": state.since and format_instant(state.since),
        "seconds_beyond": state.time_beyond.total_seconds(),
        "fired_at": state.fired_at and format_instant(state.fired_at),
        "slept": state.slept,
    }


def _parse_state(document: Mapping[str, Any]) -> ThresholdState:
    slept = document["slept"]
    state = ThresholdState(
        phase=Phase(document["phase"]),
        since=_parse_optional_instant(document["since"]),
        time_beyond=timedelta(seconds=document["seconds_beyond"]),
        fired_at=_parse_optional_instant(document["fired_at"]),
        slept=None if slept is None else float(slept),
    )
    if state.phase is Phase.PENDING and state.since is None:
        raise ValueError('a pending state without "since"')
    return state


def _crossing_document(crossing: Crossing | None) -> dict[str, Any] | None:
    if crossing is None:
        return None
    return {"since": format_instant(crossing.since), "at": format_instant(crossing.at), "value": crossing.value}


def _parse_crossing(document: Mapping[str, Any] | None) -> Crossing | None:
    if document is None:
        return None
    return Crossing(parse_instant(document["since"]), parse_instant(document["at"]), float(document["value"]))


def _parse_optional_instant(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)
