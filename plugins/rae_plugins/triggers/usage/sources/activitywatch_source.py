"""The parts that tell of use and of idle spells from what ActivityWatch has recorded.

What was taken stands in a file, so that nothing counts twice, and what ActivityWatch recorded while the daemon was down
counts when it is back. A bucket is taken up to the end of its last event: what lies before does not change any more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import evolve, field, frozen
from loguru import logger

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.machine.programs import is_called
from rae_plugins.triggers.usage.sources.activitywatch import (
    AFK_STATUS,
    WINDOWS,
    ActivityWatch,
    NoAnswer,
    Recorded,
)
from rae_plugins.triggers.usage.sources.idle_source import Telling
from rae_plugins.triggers.usage.sources.use import Interval, intersected, tell_use, united

PULL = timedelta(seconds=60)
"""How often it is asked."""

_AT_ONCE = timedelta(days=1)
"""How much is asked for at once, after a time in which the daemon was down."""


@frozen
class Taken:
    """How far the records were taken: all before `until`; `starts` are those of the last events, by bucket."""

    until: datetime
    used_until: datetime | None = None
    starts: Mapping[str, datetime] = field(factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Taken":
        """From JSON."""
        starts = {name: parse_instant(start) for name, start in document["starts"].items()}
        used = document["used_until"]
        return cls(parse_instant(document["until"]), parse_instant(used) if used else None, starts)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "until": format_instant(self.until),
            "used_until": self.used_until and format_instant(self.used_until),
            "starts": {name: format_instant(start) for name, start in self.starts.items()},
        }

    def start(self, bucket: str) -> datetime:
        """From when on a bucket is asked for."""
        return min(self.starts.get(bucket, self.until), self.until)


@frozen
class Pull:
    """What one question came to; `more` where there is more to ask for at once."""

    taken: Taken
    intervals: tuple[Interval, ...] = ()
    tellings: tuple[Telling, ...] = ()
    more: bool = False


@frozen(kw_only=True)
class ActivityWatchUse(SourceTrigger):
    """Tells when windows of an application were in front, as far as somebody was there."""

    type: ClassVar[str] = "usage-activitywatch"

    application: str | None = field(metadata={"help": "name of the application"})
    title: str | None = field(metadata={"help": "title of the window"})
    not_afk: bool = field(metadata={"help": "whether only time counts in which somebody was there"})
    url: str = field(metadata={"help": "where ActivityWatch listens"})
    api_key: str | None = field(repr=False, metadata={"help": "what ActivityWatch asks for, if so"})

    async def watch(self, watch: TriggerContext) -> None:
        """Ask once a minute, from where the last answer ended."""
        about = {"application": self.application, "title": self.title}

        async def tell(pull: Pull) -> datetime | None:
            return await tell_use(watch, pull.intervals, pull.taken.used_until, about)

        await _follow(watch, self.pull, tell)

    def pull(self, taken: Taken, now: datetime) -> Pull:
        """Where windows and presence are both known, where they meet. Errors: NoAnswer."""
        server = ActivityWatch(self.url, self.api_key)
        end = min(now, taken.until + _AT_ONCE)
        windows = _ask(server, WINDOWS, taken, end)
        statuses = _ask(server, AFK_STATUS, taken, end) if self.not_afk else {}
        known = min(_known(windows, taken), _known(statuses, taken) if self.not_afk else end)
        until = end if end < now else max(min(known, end), taken.until)
        used = _within([event for event in _all(windows) if self._is_meant(event)], taken.until, until)
        if self.not_afk:
            present = [event for event in _all(statuses) if event.data.get("status") == "not-afk"]
            used = intersected(used, _within(present, taken.until, until))
        starts = {bucket: events[-1].start for bucket, events in {**windows, **statuses}.items() if events}
        return Pull(Taken(until, taken.used_until, {**taken.starts, **starts}), tuple(used), more=end < now)

    def _is_meant(self, event: Recorded) -> bool:
        wanted = (("app", self.application), ("title", self.title))
        return all(text is None or is_called(str(event.data.get(key, "")), text) for key, text in wanted)


@frozen(kw_only=True)
class ActivityWatchIdle(SourceTrigger):
    """Tells of spells in which nobody was there for `after`."""

    type: ClassVar[str] = "usage-activitywatch-idle"

    after: timedelta = field(metadata={"help": "how long a spell must be to be told"})
    url: str = field(metadata={"help": "where ActivityWatch listens"})
    api_key: str | None = field(repr=False, metadata={"help": "what ActivityWatch asks for, if so"})

    async def watch(self, watch: TriggerContext) -> None:
        """Ask once a minute, from where the last answer ended."""

        async def tell(pull: Pull) -> None:
            for telling in pull.tellings:
                await watch.emit(telling.key, telling.document("ActivityWatch"), telling.until)

        await _follow(watch, self.pull, tell)

    def pull(self, taken: Taken, now: datetime) -> Pull:
        """Spells that have become long enough since the last answer, and those that are over. Errors: NoAnswer."""
        end = min(now, taken.until + _AT_ONCE)
        statuses = _ask(ActivityWatch(self.url, self.api_key), AFK_STATUS, taken, end)
        until = end if end < now else max(min(_known(statuses, taken), end), taken.until)
        tellings: list[Telling] = []
        starts = dict(taken.starts)
        for bucket, events in statuses.items():
            since: datetime | None = None
            for event in events:
                if event.data.get("status") == "afk":
                    since = since or event.start
                    if event.end - since >= self.after and since + self.after >= taken.until:
                        tellings.append(Telling(True, since, since + self.after))
                elif since is not None:
                    if event.start - since >= self.after and event.start >= taken.until:
                        tellings.append(Telling(False, since, event.start))
                    since = None
                starts[bucket] = since or event.start
        # Events that follow each other tell of one spell more than once.
        unique = {telling.key: telling for telling in tellings}
        return Pull(Taken(until, None, starts), tellings=tuple(unique.values()), more=end < now)


async def _follow(
    watch: TriggerContext,
    pull: Callable[[Taken, datetime], Pull],
    tell: Callable[[Pull], Awaitable[datetime | None]],
) -> None:
    file = StateFile(watch.directory / "taken.json", watch.job)
    taken = await file.load(Taken.read) or Taken(watch.timer.now().wall)
    silent = more = False
    while True:
        try:
            pulled = await asyncio.to_thread(pull, taken, watch.timer.now().wall)
        except NoAnswer as error:
            if not silent:
                text = "trigger {}: ActivityWatch can't be asked ({}); what it records meanwhile counts later"
                logger.bind(job=watch.job).warning(text, watch.trigger, error)
            silent, more = True, False
        else:
            used_until = await tell(pulled)
            silent, more = False, pulled.more
            if pulled.taken != taken:
                taken = evolve(pulled.taken, used_until=used_until)
                await file.save(taken.document())
        if not more:
            await watch.timer.sleep(PULL.total_seconds())


def _ask(server: ActivityWatch, kind: str, taken: Taken, end: datetime) -> dict[str, list[Recorded]]:
    buckets = server.buckets(kind)
    if not buckets:
        raise NoAnswer(f"it has no bucket of type {kind}: its watcher for that has never run")
    return {bucket: server.events(bucket, taken.start(bucket), end) for bucket in buckets}


def _all(buckets: Mapping[str, Sequence[Recorded]]) -> list[Recorded]:
    return [event for events in buckets.values() for event in events]


def _known(buckets: Mapping[str, Sequence[Recorded]], taken: Taken) -> datetime:
    """Up to when the records go."""
    return max((event.end for event in _all(buckets)), default=taken.until)


def _within(events: Sequence[Recorded], after: datetime, until: datetime) -> list[Interval]:
    return united([(max(event.start, after), min(event.end, until)) for event in events])
