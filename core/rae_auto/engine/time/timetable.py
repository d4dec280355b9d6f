"""Which instants are due next, each schedule computed once for all the triggers that share it."""

import heapq
from collections.abc import Iterator
from datetime import datetime

from attrs import define, field

from rae_auto.engine.time.catch_up import DueSpan, occurrences
from rae_auto.model.primitives.names import JobId
from rae_auto.model.schedule import Schedule

Member = tuple[JobId, str]
"""A job's trigger."""


@define(eq=False)
class ScheduleGroup:
    """The triggers of one schedule, in the order in which they came, and its `next` instant after `after`."""

    schedule: Schedule
    after: datetime
    next: datetime | None
    members: dict[Member, None] = field(factory=dict)


class Timetable:
    """All schedules in use, in the order in which they come due."""

    def __init__(self) -> None:
        self._groups: dict[Schedule, ScheduleGroup] = {}
        self._group_of: dict[Member, ScheduleGroup] = {}
        self._heap: list[tuple[datetime, int, ScheduleGroup]] = []
        self._pushed = 0

    def join(self, member: Member, schedule: Schedule, after: datetime) -> None:
        """`member` is due by the schedule, of which nobody needs the instants up to `after` any more."""
        group = self._groups.get(schedule)
        if group is None:
            group = self._groups[schedule] = ScheduleGroup(schedule, after, schedule.next_after(after))
            self._push(group)
        elif after < group.after:
            self._look_from(group, after)
        group.members[member] = None
        self._group_of[member] = group

    def leave(self, member: Member) -> None:
        """`member` is due no more. Leaving twice is no error."""
        group = self._group_of.pop(member, None)
        if group is not None:
            del group.members[member]
            if not group.members:
                del self._groups[group.schedule]
                group.next = None

    def schedule_of(self, member: Member) -> Schedule | None:
        """The schedule by which `member` is due."""
        group = self._group_of.get(member)
        return None if group is None else group.schedule

    def next_of(self, member: Member) -> datetime | None:
        """When `member` is due next."""
        group = self._group_of.get(member)
        return None if group is None else group.next

    def next(self) -> datetime | None:
        """When anything is due next."""
        while self._heap and self._heap[0][2].next != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: datetime) -> Iterator[tuple[DueSpan, ScheduleGroup]]:
        """Each group with instants due, and these; the group moves on to its first one after `now`."""
        while (instant := self.next()) is not None and instant <= now:
            group = heapq.heappop(self._heap)[2]
            span = occurrences(group.schedule, instant, now)
            group.after, group.next = now, span.next
            self._push(group)
            yield span, group

    def rewind(self, now: datetime) -> None:
        """The clock was set back: every schedule is due at its first instant after `now`."""
        for group in self._groups.values():
            self._look_from(group, now)

    def _look_from(self, group: ScheduleGroup, after: datetime) -> None:
        group.after, group.next = after, group.schedule.next_after(after)
        self._push(group)

    def _push(self, group: ScheduleGroup) -> None:
        if group.next is not None:
            self._pushed += 1
            heapq.heappush(self._heap, (group.next, self._pushed, group))
