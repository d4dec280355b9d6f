"""Reports of use: its intervals, and the begin of each session, with keys that follow from what was observed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rae_auto.api import TriggerContext
from rae_auto.model.primitives.instants import format_instant

AFK_TIMEOUT = timedelta(minutes=3)
"""Time without input after which the user is away (the default of ActivityWatch); a longer pause ends a session."""

Interval = tuple[datetime, datetime]


async def report_use(
    context: TriggerContext, intervals: Sequence[Interval], used_until: datetime | None, subject: Mapping[str, Any]
) -> datetime | None:
    """Emit intervals, in order, and return the end of the last; `used_until` is the end of the use before them."""
    for session in _split_sessions(intervals):
        start, end = session[0][0], session[-1][1]
        if used_until is None or start - used_until > AFK_TIMEOUT:
            await context.emit(f"began-{format_instant(start)}", {**subject, "began": True, "intervals": []}, start)
        document = {
            **subject,
            "began": False,
            "intervals": [list(map(format_instant, interval)) for interval in session],
        }
        await context.emit(f"{format_instant(start)}/{format_instant(end)}", document, end)
        used_until = end
    return used_until


def intersect(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """Return the times in both; each is in order and without overlaps, and so is the result."""
    result: list[Interval] = []
    left, right = 0, 0
    while left < len(some) and right < len(others):
        start = max(some[left][0], others[right][0])
        end = min(some[left][1], others[right][1])
        if start < end:
            result.append((start, end))
        if some[left][1] <= others[right][1]:
            left += 1
        else:
            right += 1
    return result


def merge(intervals: Sequence[Interval]) -> list[Interval]:
    """Return the intervals in order and without overlaps."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def _split_sessions(intervals: Sequence[Interval]) -> list[list[Interval]]:
    """Return the intervals of each session; sessions are separated by pauses longer than AFK_TIMEOUT."""
    sessions: list[list[Interval]] = []
    for interval in intervals:
        if sessions and interval[0] - sessions[-1][-1][1] <= AFK_TIMEOUT:
            sessions[-1].append(interval)
        else:
            sessions.append([interval])
    return sessions
