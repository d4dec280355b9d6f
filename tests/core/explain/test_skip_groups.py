"""Skips by job and reason, where there are more than are read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rae_auto.api.store import Append, CountQuery
from rae_auto.explain import skip_groups
from rae_auto.explain.skip_groups import SkipSpan, read_skip_groups
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Disabled, Overlapping, Paused
from rae_auto.testing.memory_store import MemoryStore

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
REASONS = {"paused": Paused(), "overlap": Overlapping(RunId("r" * 26), NOON), "disabled": Disabled()}


def opened_store(place: Path, skips: str) -> MemoryStore:
    """Return a store of decisions, one a minute, given as "job reason" one after the other."""
    store = MemoryStore()
    store.open(place)
    for number, one in enumerate(skips.split(", ")):
        job, reason = one.split()
        at = NOON + timedelta(minutes=number)
        skip = Decision(JobId(job), "cron", str(number), at, Outcome.SKIP, REASONS[reason], at)
        store.commit([Append(documents.DECISIONS, str(number), job, skip.reason.code, at, documents.dump(skip))])
    return store


@pytest.mark.parametrize("max_groups", [None, 9])
def test_groups_of_more_skips_than_are_read_have_all_numbers(
    max_groups: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened_store(tmp_path, "c disabled, b paused, a paused, b paused, b overlap, a paused, a paused, a paused")
    monkeypatch.setattr(skip_groups, "MAX_SKIPS", 2)
    span = SkipSpan(span=CountQuery(since=NOON, until=NOON + timedelta(hours=1)), decisions=8, has_runs=False)
    groups, examined = read_skip_groups(store, ["a", "b", "c"], span, max_groups)
    found = {(group.job, group.reason): (group.count, group.skips[0].decided_at.minute) for group in groups}
    numbers = {("a", "paused"): (4, 7), ("b", "paused"): (2, 3), ("b", "overlap"): (1, 4), ("c", "disabled"): (1, 0)}
    assert found == numbers
    assert examined == 8
    records = [group.record() for group in groups]
    assert all(one["starts"] == one["count"] for one in records)
    assert {one["job"] for one in records if one["has_more_starts"]} == {"a", "b"}


def test_most_frequent_groups_come_first_and_the_newest_of_equals(tmp_path: Path) -> None:
    store = opened_store(tmp_path, "a paused, b paused, b overlap, a paused, b paused, c disabled")
    span = SkipSpan(span=CountQuery(since=NOON, until=NOON + timedelta(hours=1)), decisions=6, has_runs=False)
    groups, examined = read_skip_groups(store, ["a", "b", "c"], span, 3)
    assert [(group.job, group.reason) for group in groups] == [("b", "paused"), ("a", "paused"), ("c", "disabled")]
    assert examined == 6
