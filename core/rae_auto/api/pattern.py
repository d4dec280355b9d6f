"""Triggers that look for a pattern in events: a pure fold, so that they can be simulated, explained and taken up again.

A pattern is a state, and a function from a state and the next thing that happens to the next state and what is to be
fired. Time is such a thing too: each step may say when it wants to be asked again though nothing happens. `Play` runs
a pattern over events in the order of time; the daemon and the simulator feed the same `Play`.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field, frozen
from loguru import logger

from rae_auto.api.events import Event, Place
from rae_auto.api.state_file import StateFile
from rae_auto.api.trigger import Emit, ScheduleTrigger, SourceTrigger, Told, Trigger, Watch
from rae_auto.model.instants import format_instant, parse_instant

State = Mapping[str, Any]
"""What a pattern remembers, in JSON values."""

GAP = "gap"
"""The name of the event by which a pattern learns that nobody watched for a while: `at` is when that began, the step's
`now` when it ended, `data["why"]` is `slept` or `down`."""

_LEAST_GAP = timedelta(seconds=2)

_REMEMBERED = 200
"""How many keys are remembered of what each part told last."""


@frozen
class Firing:
    """An occurrence that a pattern wants told. `key` must follow from the events alone, never from the clock."""

    key: str
    at: datetime
    event: Mapping[str, Any] | None = None


@frozen
class Progress:
    """What a step comes to. At `wake_at` the pattern is asked again, if nothing happens before."""

    state: State
    firings: tuple[Firing, ...] = ()
    wake_at: datetime | None = None


class PatternTrigger(SourceTrigger):
    """A source that looks for a pattern in events. Make it `attrs.frozen`, and write `begin` and `step`."""

    def hears(self) -> tuple[str, ...]:
        """The names of the recorded events that it wants; `*` stands for any text."""
        return ()

    def parts(self) -> Mapping[str, Trigger]:
        """Triggers inside of it, by name: what each tells comes as an event of that name, with its key as id."""
        return {}

    @abstractmethod
    def begin(self, now: datetime) -> Progress:
        """The state with which it begins at its very first start. Pure."""

    @abstractmethod
    def step(self, state: State, event: Event | None, now: datetime) -> Progress:
        """What comes of an event, or of time having passed until `now` (None). Pure."""

    def follows(self) -> tuple[str, ...]:
        """The jobs whose ends its parts wait for."""
        inner = (part.follows() for part in self.parts().values() if isinstance(part, SourceTrigger))
        return tuple(dict.fromkeys(job for jobs in inner for job in jobs))

    async def watch(self, watch: Watch) -> None:
        """Fold what is recorded and what the parts tell, durably: nothing counts twice, whenever the daemon ends."""
        await _Watcher(self, watch).run()


@define
class Play:
    """A pattern at work: where it stands, and when it wants to be asked again."""

    pattern: PatternTrigger
    state: State
    wake_at: datetime | None = None

    @classmethod
    def begun(cls, pattern: PatternTrigger, now: datetime) -> "Play":
        """At its very first start."""
        progress = pattern.begin(now)
        return cls(pattern, progress.state, progress.wake_at)

    def advance(self, until: datetime) -> list[Firing]:
        """Let time pass until an instant; what fires on the way."""
        fired: list[Firing] = []
        while self.wake_at is not None and self.wake_at <= until:
            at, self.wake_at = self.wake_at, None
            fired += self._take(self.pattern.step(self.state, None, at))
            if self.wake_at is not None and self.wake_at <= at:
                # It would stand still for ever.
                self.wake_at = at + timedelta(microseconds=1)
        return fired

    def hear(self, event: Event) -> list[Firing]:
        """An event, after the time until it has passed; what fires."""
        return [*self.advance(event.at), *self._take(self.pattern.step(self.state, event, event.at))]

    def miss(self, since: datetime, until: datetime, why: str) -> list[Firing]:
        """Nobody watched between these instants; what fires."""
        fired = self.advance(since)
        gap = Event(format_instant(since), GAP, since, {"why": why})
        return [*fired, *self._take(self.pattern.step(self.state, gap, until))]

    def _take(self, progress: Progress) -> tuple[Firing, ...]:
        self.state, self.wake_at = progress.state, progress.wake_at
        return progress.firings


@define
class _Watcher:
    """Plays a pattern in real time. What it was told is kept only after what follows from it is durable."""

    pattern: PatternTrigger
    watch: Watch
    _play: Play = field(init=False)
    _place: Place = field(init=False)
    _slept: float = field(init=False)
    _heard: dict[str, list[str]] = field(init=False, factory=dict)
    _lock: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _moved: asyncio.Event = field(init=False, factory=asyncio.Event)
    _file: StateFile = field(init=False)

    async def run(self) -> None:
        """Until cancelled."""
        self._file = StateFile(self.watch.directory / "pattern.json")
        await self._take_up()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._wake())
                if self.pattern.hears():
                    tasks.create_task(self._follow())
                for name, part in self.pattern.parts().items():
                    tasks.create_task(watched(part, self.watch.part(name, self._emit_of(name))))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            # Until now it has watched; what happened after is a gap.
            await asyncio.shield(asyncio.to_thread(self._save, self.watch.timer.now().wall))

    async def _take_up(self) -> None:
        now = self.watch.timer.now()
        kept = await asyncio.to_thread(self._file.read)
        if self._file.damage:
            logger.bind(job=self.watch.job).warning("trigger {}: {}", self.watch.trigger, self._file.damage)
        self._slept = now.slept
        self._place = Place(now.wall)
        if kept is None or kept.get("pattern") != repr(self.pattern):
            self._play = Play.begun(self.pattern, now.wall)
            await asyncio.to_thread(self._save, now.wall)
            return
        wake_at = kept["wake_at"] and parse_instant(kept["wake_at"])
        self._play = Play(self.pattern, kept["state"], wake_at)
        self._place = Place(parse_instant(kept["at"]), tuple(kept["ids"]))
        self._heard = kept["heard"]
        watched_until = parse_instant(kept["watched_until"])
        if now.wall - watched_until > _LEAST_GAP:
            await self._tell(self._play.miss(watched_until, now.wall, "down"))

    def _save(self, watched_until: datetime) -> None:
        self._file.write(
            {
                "pattern": repr(self.pattern),
                "state": self._play.state,
                "wake_at": self._play.wake_at and format_instant(self._play.wake_at),
                "at": format_instant(self._place.at),
                "ids": self._place.ids,
                "heard": self._heard,
                "watched_until": format_instant(watched_until),
            }
        )

    async def _follow(self) -> None:
        async for batch in self.watch.events.follow(self.pattern.hears(), self._place):
            await self._take(batch)

    async def _take(self, batch: Sequence[Event], part: str | None = None) -> Told:
        """Fold recorded events, or those of a part; returns what became of the last thing that fired, once durable."""
        async with self._lock:
            told = await self._notice_sleep()
            for event in batch:
                if part is not None and self._has_heard(part, event.id):
                    continue
                told = await self._tell(self._play.hear(event)) or told
                if part is None:
                    self._place = self._place.after(event)
            await asyncio.to_thread(self._save, self.watch.timer.now().wall)
        self._moved.set()
        return told or Told()

    def _has_heard(self, part: str, key: str) -> bool:
        """Whether the part has told this before: it tells again what it isn't sure of. From now on it has."""
        keys = self._heard.setdefault(part, [])
        if key in keys:
            return True
        keys.append(key)
        del keys[:-_REMEMBERED]
        return False

    async def _notice_sleep(self) -> Told | None:
        now = self.watch.timer.now()
        slept, self._slept = now.slept - self._slept, now.slept
        if slept < _LEAST_GAP.total_seconds():
            return None
        return await self._tell(self._play.miss(now.wall - timedelta(seconds=slept), now.wall, "slept"))

    async def _tell(self, firings: Sequence[Firing]) -> Told | None:
        told = None
        for firing in firings:
            told = await self.watch.emit(firing.key, firing.event, firing.at)
        return told

    def _emit_of(self, name: str) -> Emit:
        async def emit(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            echo: str | None = None,  # noqa: ARG001 - what a part can't know of a whole
        ) -> Told:
            return await self._take([Event(key, name, at or self.watch.timer.now().wall, event or {})], part=name)

        return emit

    async def _wake(self) -> None:
        while True:
            self._moved.clear()
            wake_at = self._play.wake_at
            moved = asyncio.ensure_future(self._moved.wait())
            waits = {moved}
            if wake_at is not None:
                waits.add(asyncio.ensure_future(self.watch.timer.sleep_until(wake_at)))  # type: ignore[arg-type]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            async with self._lock:
                told = await self._notice_sleep()
                now = self.watch.timer.now().wall
                if self._play.wake_at is not None and self._play.wake_at <= now:
                    told = await self._tell(self._play.advance(now)) or told
                    await asyncio.to_thread(self._save, now)


async def watched(trigger: Trigger, watch: Watch) -> None:
    """Have a trigger tell what it sees, whatever its shape: of a schedule, each instant from its first start on."""
    if isinstance(trigger, SourceTrigger):
        await trigger.watch(watch)
        return
    await _keep_time(trigger, watch)


async def _keep_time(schedule: ScheduleTrigger, watch: Watch) -> None:
    file = StateFile(watch.directory / "schedule.json")
    kept = await asyncio.to_thread(file.read) or {}
    now = watch.timer.now().wall
    after = parse_instant(kept["after"]) if kept.get("schedule") == repr(schedule) else now
    while (instant := schedule.next_after(after)) is not None:
        while watch.timer.now().wall < instant:
            await watch.timer.sleep_until(instant)
        await watch.emit(format_instant(instant), {"due": format_instant(instant)}, instant)
        after = instant
        await asyncio.to_thread(file.write, {"schedule": repr(schedule), "after": format_instant(after)})
