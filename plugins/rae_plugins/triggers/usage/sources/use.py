"""How use is told: its intervals, and apart from them that it began, under keys that follow from what was seen."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rae_auto.api import TriggerContext
from rae_auto.model.primitives.instants import format_instant

AFK_TIMEOUT = timedelta(minutes=3)
"""After so long without input nobody is there, as ActivityWatch has it; use that pauses for longer begins anew."""

Interval = tuple[datetime, datetime]


async def tell_use(
    watch: TriggerContext, intervals: Sequence[Interval], used_until: datetime | None, about: Mapping[str, Any]
) -> datetime | None:
    """Tell intervals, in order; `used_until` is where the use before ended. Returns where this one does."""
    for spell in _spells(intervals):
        start, end = spell[0][0], spell[-1][1]
        if used_until is None or start - used_until > AFK_TIMEOUT:
            await watch.emit(f"began-{format_instant(start)}", {**about, "began": True, "intervals": []}, start)
        document = {**about, "began": False, "intervals": [list(map(format_instant, interval)) for interval in spell]}
        await watch.emit(f"{format_instant(start)}/{format_instant(end)}", document, end)
        used_until = end
    return used_until


def intersected(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """Where both are; each is in order and without overlaps, and so is the result."""
    found: list[Interval] = []
    left, right = 0, 0
    while left < len(some) and right < len(others):
        start = max(some[left][0], others[right][0])
        end = min(some[left][1], others[right][1])
        if start < end:
            found.append((start, end))
        if some[left][1] <= others[right][1]:
            left += 1
        else:
            right += 1
    return found


def united(intervals: Sequence[Interval]) -> list[Interval]:
    """In order, and without overlaps."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _spells(intervals: Sequence[Interval]) -> list[list[Interval]]:
    spells: list[list[Interval]] = []
    for interval in intervals:
        if spells and interval[0] - spells[-1][-1][1] <= AFK_TIMEOUT:
            spells[-1].append(interval)
        else:
            spells.append([interval])
    return spells
