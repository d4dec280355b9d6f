"""The timetable: which instants are due next, each schedule computed once for all the triggers that share it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import heapify, heappop

from rae_auto.engine.time.catch_up import DueSpan
from rae_auto.engine.undo_log import RevertibleDict, RevertibleHeap, UndoLog, revertible
from rae_auto.model.primitives.names import JobId
from rae_auto.model.schedule import Schedule

Member = tuple[JobId, str]
"""A job and the id of one of its triggers."""


@revertible
class ScheduleGroup:
    """The triggers of one schedule, in the order in which they came, and its `next` instant after `after`."""

    schedule: Schedule
    after: datetime
    next: datetime | None
    undo_log: UndoLog
    members: RevertibleDict[Member, None]


class Timetable:
    """All schedules in use, in the order in which they come due."""

    def __init__(self, undo_log: UndoLog) -> None:
        self._undo_log = undo_log
        self._groups: RevertibleDict[Schedule, ScheduleGroup] = RevertibleDict(undo_log)
        self._group_of: RevertibleDict[Member, ScheduleGroup] = RevertibleDict(undo_log)
        self._heap: RevertibleHeap[tuple[datetime, int, ScheduleGroup]] = RevertibleHeap(undo_log)
        self._pushed = 0

    def join(self, member: Member, schedule: Schedule, after: datetime) -> None:
        """Let `member` be due by the schedule, from its first instant after `after` on."""
        group = self.group_for(schedule, after)
        group.members[member] = None
        self._group_of[member] = group

    def group_for(self, schedule: Schedule, after: datetime) -> ScheduleGroup:
        """Return the group of a schedule, for members that are due from its first instant after `after` on."""
        group = self._groups.get(schedule)
        if group is None:
            members: RevertibleDict[Member, None] = RevertibleDict(self._undo_log)
            group = ScheduleGroup(schedule, after, schedule.next_after(after), self._undo_log, members)
            self._groups[schedule] = group
            self._push(group)
        elif after < group.after:
            self._restart_at(group, after)
        return group

    def join_group(self, group: ScheduleGroup, members: Iterable[Member]) -> None:
        """Let many members be due at once with a group that `group_for` has returned for each of them."""
        group.members.set_all(added := dict.fromkeys(members))
        self._group_of.set_all(dict.fromkeys(added, group))

    def leave(self, member: Member) -> None:
        """Let `member` be due no more. A second call does nothing."""
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

    def next_of(self, member: Member, after: datetime | None = None) -> datetime | None:
        """Return when `member` is due next, or first after an instant."""
        group = self._group_of.get(member)
        return None if group is None else _find_next(group, after)

    def next_at(self) -> datetime | None:
        """Return when anything is due next."""
        heap = self._heap
        # The group has the very instant of its entry, unless that is stale.
        while heap and heap[0][2].next is not heap[0][0]:
            heap.pop_least()
        return heap[0][0] if heap else None

    def upcoming(self, after: datetime | None = None) -> Iterator[tuple[datetime, list[Member]]]:
        """Yield the next instant of each schedule, or its first after an instant, with its members, ascending."""
        # A heap, because who asks wants few: to put ten thousand in order takes five times as long.
        numbered = enumerate(self._groups.values())
        found = ((_find_next(group, after), number, group) for number, group in numbered)
        groups = [(instant, number, group) for instant, number, group in found if instant is not None]
        heapify(groups)
        while groups:
            instant, _, group = heappop(groups)
            yield instant, list(group.members)

    def due_until(self, instant: datetime) -> Iterator[Member]:
        """Yield what is due until an instant, in no order, and perhaps twice after the clock was set."""
        for at, _, group in self._heap.least_while(lambda entry: entry[0] <= instant):
            # An entry whose group is due at another instant by now is stale.
            if group.next == at:
                yield from group.members

    def pop_due(self, now: datetime) -> Iterator[tuple[ScheduleGroup, datetime, DueSpan | None]]:
        """Yield each group that is due, and move it on to its first instant after `now`.

        With it come the instant `after` which it counted, and what has been due since then if that is one instant, as
        mostly: the schedule has said so when it was asked for the next one.
        """
        heap = self._heap
        while heap and heap[0][0] <= now:
            instant, _, group = heap.pop_least()
            if group.next is not instant:
                continue
            after, following = group.after, group.schedule.next_after(instant)
            if following is None or following > now:
                group.after, group.next = instant, following
                self._push(group)
                yield group, after, DueSpan((instant,))
            else:
                self._restart_at(group, now)
                yield group, after, None

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
            self._heap.push((group.next, self._pushed, group))


def _find_next(group: ScheduleGroup, after: datetime | None) -> datetime | None:
    is_later = after is not None and group.next is not None and group.next <= after
    return group.schedule.next_after(after) if is_later and after is not None else group.next
