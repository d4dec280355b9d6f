"""Sources of use and of idle periods, read from the records of ActivityWatch.

The position up to which records were read is saved, so that nothing counts twice, and what ActivityWatch recorded while
the daemon was down counts when it is back. A bucket is read up to the end of its last event, before which it is final.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import evolve, field, frozen
from loguru import logger

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.toolkit.secrets import Secret
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.machine.programs import is_called
from rae_plugins.triggers.usage.sources.activitywatch import (
    AFK_STATUS,
    WINDOWS,
    ActivityWatch,
    ActivityWatchError,
    BucketEvent,
)
from rae_plugins.triggers.usage.sources.idle_source import IdleReport
from rae_plugins.triggers.usage.sources.use import Interval, intersect, merge, report_use

POLL_INTERVAL = timedelta(seconds=60)
"""Interval of the requests."""

_MAX_REQUEST_SPAN = timedelta(days=1)
"""Time that one request covers, after the daemon was down."""


@frozen
class ReadPosition:
    """Position in the records: all before `until` were read; `starts` has the start of the last event by bucket."""

    until: datetime
    used_until: datetime | None = None
    starts: Mapping[str, datetime] = field(factory=dict)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ReadPosition":
        """Return the position of a JSON object."""
        starts = {name: parse_instant(start) for name, start in document["starts"].items()}
        used = document["used_until"]
        return cls(parse_instant(document["until"]), parse_instant(used) if used else None, starts)

    def document(self) -> dict[str, Any]:
        """Return the position as a JSON object."""
        return {
            "until": format_instant(self.until),
            "used_until": self.used_until and format_instant(self.used_until),
            "starts": {name: format_instant(start) for name, start in self.starts.items()},
        }

    def start(self, bucket: str) -> datetime:
        """Return the instant from which a bucket is requested."""
        return min(self.starts.get(bucket, self.until), self.until)


@frozen
class PolledRecords:
    """Result of one request; `more` if another should follow at once."""

    position: ReadPosition
    intervals: tuple[Interval, ...] = ()
    reports: tuple[IdleReport, ...] = ()
    more: bool = False


@frozen(kw_only=True)
class ActivityWatchUse(SourceTrigger):
    """Reports when windows of an application were active, by default only while there was input."""

    type: ClassVar[str] = "usage-activitywatch"

    application: str | None = field(metadata={"help": "name of the application"})
    title: str | None = field(metadata={"help": "title of the window"})
    not_afk: bool = field(metadata={"help": "count only time with keyboard or mouse input"})
    url: str = field(metadata={"help": "address of ActivityWatch"})
    api_key: Secret | None = field(metadata={"help": "key of ActivityWatch, if it requires one"})

    async def watch(self, context: TriggerContext) -> None:
        """Request records once a minute, from the end of the last response."""
        subject = {"application": self.application, "title": self.title}

        async def emit_use(polled: PolledRecords) -> datetime | None:
            return await report_use(context, polled.intervals, polled.position.used_until, subject)

        await _poll_forever(context, self.poll, emit_use)

    def poll(self, position: ReadPosition, now: datetime) -> PolledRecords:
        """Return the use while windows and presence are both known. Raises ActivityWatchError."""
        server = ActivityWatch(self.url, self.api_key)
        end = min(now, position.until + _MAX_REQUEST_SPAN)
        windows = _request_events(server, WINDOWS, position, end)
        statuses = _request_events(server, AFK_STATUS, position, end) if self.not_afk else {}
        known = min(_known_until(windows, position), _known_until(statuses, position) if self.not_afk else end)
        until = end if end < now else max(min(known, end), position.until)
        used = _clip([event for event in _all_events(windows) if self._matches(event)], position.until, until)
        if self.not_afk:
            present = [event for event in _all_events(statuses) if event.data.get("status") == "not-afk"]
            used = intersect(used, _clip(present, position.until, until))
        starts = {bucket: events[-1].start for bucket, events in {**windows, **statuses}.items() if events}
        following = ReadPosition(until, position.used_until, {**position.starts, **starts})
        return PolledRecords(following, tuple(used), more=end < now)

    def _matches(self, event: BucketEvent) -> bool:
        filters = (("app", self.application), ("title", self.title))
        return all(text is None or is_called(str(event.data.get(key, "")), text) for key, text in filters)


@frozen(kw_only=True)
class ActivityWatchIdle(SourceTrigger):
    """Reports idle periods of at least `after`."""

    type: ClassVar[str] = "usage-activitywatch-idle"

    after: timedelta = field(metadata={"help": "minimum length of an idle period"})
    url: str = field(metadata={"help": "address of ActivityWatch"})
    api_key: Secret | None = field(metadata={"help": "key of ActivityWatch, if it requires one"})

    async def watch(self, context: TriggerContext) -> None:
        """Request records once a minute, from the end of the last response."""

        async def emit_reports(polled: PolledRecords) -> None:
            for report in polled.reports:
                await context.emit(report.key, report.document("ActivityWatch"), report.until)

        await _poll_forever(context, self.poll, emit_reports)

    def poll(self, position: ReadPosition, now: datetime) -> PolledRecords:
        """Return the idle periods that became long enough or ended. Raises ActivityWatchError."""
        end = min(now, position.until + _MAX_REQUEST_SPAN)
        statuses = _request_events(ActivityWatch(self.url, self.api_key), AFK_STATUS, position, end)
        until = end if end < now else max(min(_known_until(statuses, position), end), position.until)
        reports: list[IdleReport] = []
        starts = dict(position.starts)
        for bucket, events in statuses.items():
            since: datetime | None = None
            for event in events:
                if event.data.get("status") == "afk":
                    since = since or event.start
                    if event.end - since >= self.after and since + self.after >= position.until:
                        reports.append(IdleReport(True, since, since + self.after))
                elif since is not None:
                    if event.start - since >= self.after and event.start >= position.until:
                        reports.append(IdleReport(False, since, event.start))
                    since = None
                starts[bucket] = since or event.start
        # Successive events report one idle period more than once.
        unique = {report.key: report for report in reports}
        return PolledRecords(ReadPosition(until, None, starts), reports=tuple(unique.values()), more=end < now)


async def _poll_forever(
    context: TriggerContext,
    poll: Callable[[ReadPosition, datetime], PolledRecords],
    report: Callable[[PolledRecords], Awaitable[datetime | None]],
) -> None:
    file = StateFile(context.directory / "position.json", context.job)
    position = await file.load(ReadPosition.from_document) or ReadPosition(context.timer.now().wall)
    is_failing = more = False
    while True:
        try:
            polled = await asyncio.to_thread(poll, position, context.timer.now().wall)
        except ActivityWatchError as error:
            if not is_failing:
                text = "trigger {}: ActivityWatch can't be read ({}); what it records meanwhile counts later"
                logger.bind(job=context.job).warning(text, context.trigger, error)
            is_failing, more = True, False
        else:
            used_until = await report(polled)
            is_failing, more = False, polled.more
            if polled.position != position:
                position = evolve(polled.position, used_until=used_until)
                await file.save(position.document())
        if not more:
            await context.timer.sleep(POLL_INTERVAL.total_seconds())


def _request_events(
    server: ActivityWatch, kind: str, position: ReadPosition, end: datetime
) -> dict[str, list[BucketEvent]]:
    buckets = server.buckets(kind)
    if not buckets:
        raise ActivityWatchError(f"it has no bucket of type {kind}, because the watcher for it has never run")
    return {bucket: server.events(bucket, position.start(bucket), end) for bucket in buckets}


def _all_events(buckets: Mapping[str, Sequence[BucketEvent]]) -> list[BucketEvent]:
    return [event for events in buckets.values() for event in events]


def _known_until(buckets: Mapping[str, Sequence[BucketEvent]], position: ReadPosition) -> datetime:
    """Return the instant up to which the records go."""
    return max((event.end for event in _all_events(buckets)), default=position.until)


def _clip(events: Sequence[BucketEvent], after: datetime, until: datetime) -> list[Interval]:
    return merge([(max(event.start, after), min(event.end, until)) for event in events])
