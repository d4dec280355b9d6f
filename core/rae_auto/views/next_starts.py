"""The next starts of a job, as `rae-auto next` shows them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rae_auto.errors import PluginBroken
from rae_auto.explain.next_start import NextStart
from rae_auto.model.primitives.formatting import format_count
from rae_auto.views.times import due_time, local_time, relative_time

MAX_FORBIDDEN_INSTANTS = 1000
"""The number of instants without a start after which the search ends: the guards of a job may never let it start."""


def select_starts(instants: Iterable[NextStart], count: int) -> tuple[list[NextStart], PluginBroken | None]:
    """Return instants until `count` of them start the job, or too many in a row don't; and what ended them early."""
    found: list[NextStart] = []
    forbidden = 0
    try:
        for instant in instants if count else ():
            found.append(instant)
            forbidden = 0 if instant.starts_at else forbidden + 1
            count -= 1 if instant.starts_at else 0
            if not count or forbidden >= MAX_FORBIDDEN_INSTANTS:
                break
    except PluginBroken as error:
        return found, error
    return found, None


def next_lines(
    starts: Sequence[NextStart], zone: ZoneInfo, now: datetime, *, is_from_now: bool = True
) -> Iterator[str]:
    """Yield a line for each start, and one for instants in a row at which the same kind of reason forbids it.

    Of starts from now on one whose instant has passed is due; those from an earlier time on are simply past.
    """
    forbidden: list[NextStart] = []
    for start in starts:
        if start.starts_at is None:
            if forbidden and type(forbidden[0].blocker) is not type(start.blocker):
                yield from _forbidden_lines(forbidden, zone, now)
                forbidden = []
            forbidden.append(start)
            continue
        yield from _forbidden_lines(forbidden, zone, now)
        forbidden = []
        iso = start.starts_at.isoformat()
        distance = due_time(iso, now) if is_from_now else relative_time(iso, now)
        text = f"{local_time(iso, zone, now)} ({distance})"
        due = ""
        if start.blocker is not None:
            due = f"  due at {local_time(start.due_at.isoformat(), zone, now)}, but {start.blocker.text}"
        yield f"{text}{due}" + (f"  ({start.note})" if start.note else "")
    yield from _forbidden_lines(forbidden, zone, now)


def _forbidden_lines(forbidden: Sequence[NextStart], zone: ZoneInfo, now: datetime) -> Iterator[str]:
    if not forbidden:
        return
    first, last = (local_time(start.due_at.isoformat(), zone, now) for start in (forbidden[0], forbidden[-1]))
    more = f", and {format_count(len(forbidden) - 1, 'more time')} until {last}" if len(forbidden) > 1 else ""
    blocker = forbidden[0].blocker

    def show(instant: datetime) -> str:
        return local_time(instant.isoformat(), zone, now)

    reason = blocker.describe(show) if blocker else ""
    yield f"{first}  not: {reason}{more}"
