"""The timetable: which instants are due next, each schedule computed once for all the triggers that share it."""

import heapq
from collections.abc import Iterator
from datetime import datetime

from attrs import define, field

from rae_auto.engine.time.catch_up import DueSpan, find_due_instants
from rae_auto.model.primitives.names import JobId
from rae_auto.model.schedule import Schedule

Member = tuple[JobId, str]
"""A job and the id of one of its triggers."""


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
        """Let `member` be due by the schedule, from its first instant after `after` on."""
        group = self._groups.get(schedule)
        if group is None:
            group = self._groups[schedule] = ScheduleGroup(schedule, after, schedule.next_after(after))
            self._push(group)
        elif after < group.after:
            self._restart_at(group, after)
        group.members[member] = None
        self._group_of[member] = group

    def leave(self, member: Member) -> None:
        """Let `member` be due no more. Leaving twice is no error."""
        group = self._group_of.pop(member, None)
        if group is not None:
            del group.members[member]
            if not group.members:
                del self._groups[group.schedule]
                group.next = None

    def schedule_of(self, member: Member) -> Schedule | None:
        """Return the schedule by which `member` is due."""
        group = self._group_of.get(member)
        return None if group is None else group.schedule

    def next_of(self, member: Member) -> datetime | None:
        """Return when `member` is due next."""
        group = self._group_of.get(member)
        return None if group is None else group.next

    def next_at(self) -> datetime | None:
        """Return when anything is due next."""
        while self._heap and self._heap[0][2].next != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: datetime) -> Iterator[tuple[DueSpan, ScheduleGroup]]:
        """Yield each group that is due with its instants, and move it on to its first instant after `now`."""
        while (instant := self.next_at()) is not None and instant <= now:
            group = heapq.heappop(self._heap)[2]
            span = find_due_instants(group.schedule, instant, now)
            group.after, group.next = now, span.next
            self._push(group)
            yield span, group

    def rewind(self, now: datetime) -> None:
        """Let every schedule be due at its first instant after `now`, because the clock was set back."""
        for group in self._groups.values():
            self._restart_at(group, now)

    def _restart_at(self, group: ScheduleGroup, after: datetime) -> None:
        group.after, group.next = after, group.schedule.next_after(after)
        self._push(group)

    def _push(self, group: ScheduleGroup) -> None:
        if group.next is not None:
            self._pushed += 1
            heapq.heappush(self._heap, (group.next, self._pushed, group))
