"""A schedule's plugin at the border of the engine: whatever it does, the engine gets an instant or None."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rae_auto.api.plugin import Kind
from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.records.events import check_event
from rae_auto.registry.quarantine import Quarantine


class SafeSchedule:
    """Asks a schedule, and checks its answers. After a bad one it has ended, until a reload makes another guard.

    Two are equal where their schedules are; one that has ended equals only itself, so that a reload replaces it.
    """

    __slots__ = ("_ended", "_quarantine", "inner")

    def __init__(self, inner: ScheduleTrigger, quarantine: Quarantine) -> None:
        self.inner = inner
        self._quarantine = quarantine
        self._ended = False

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, SafeSchedule) or self._ended or other._ended:
            return False
        return bool(self.inner == other.inner)

    def __hash__(self) -> int:
        return hash(self.inner)

    def __repr__(self) -> str:
        # Cursors are kept by a digest of this: it must not show that there is a wrapper.
        return repr(self.inner)

    @property
    def place(self) -> str:
        """The place of use under which the quarantine knows this schedule."""
        return f"{self.inner!r:.120}"

    @property
    def jitter(self) -> timedelta:
        return self.inner.jitter

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the schedule's next instant; None if it has ended or broken its contract."""
        if self._ended:
            return None
        try:
            found = self.inner.next_after(instant)
            problem = _problem(found, instant)
        except (Exception, SystemExit) as error:
            problem = f"next_after raised {error!r:.200}"
        if problem is None:
            return found
        self._ended = True
        text = f"{problem}; this schedule starts no more jobs"
        self._quarantine.failed(Kind.TRIGGER, self.inner.type, self.place, text, for_good=True)
        return None

    def event_at(self, instant: datetime) -> Mapping[str, Any] | None:
        """Return the event of one of the schedule's instants; None if it fails, or returns what can't be stored."""
        try:
            return check_event(self.inner.event_at(instant))
        except (Exception, SystemExit) as error:
            self._quarantine.failed(Kind.TRIGGER, self.inner.type, self.place, f"event_at failed: {error!r:.200}")
            return None

    def note(self, instant: datetime) -> str | None:
        """Return the schedule's remark on one of its instants; None if it fails, as nothing depends on it."""
        try:
            return self.inner.note(instant)
        except (Exception, SystemExit):
            return None


def _problem(found: object, instant: datetime) -> str | None:
    if found is None:
        return None
    if not isinstance(found, datetime):
        return f"next_after returned {found!r:.60}, which is not a datetime"
    if found.utcoffset() is None:
        return f"next_after returned {found.isoformat()}, which has no time zone"
    if found <= instant:
        return f"next_after returned {found.isoformat()}, which isn't after {instant.isoformat()}"
    return None
