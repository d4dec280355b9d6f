"""Numbers of entries by steps are the same by both ways of counting them."""

from datetime import UTC, datetime, timedelta

import pytest

from rae_auto.api.store import Append, CountQuery
from rae_plugins.stores.sqlite import SqliteStore, counting

SINCE = datetime(2026, 11, 28, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("job", [None, "a"])
def test_counts_are_equal_for_many_and_few_entries(job, tmp_path, monkeypatch):
    store = SqliteStore()
    store.open(tmp_path)
    states = ("succeeded", "failed", "succeeded")
    store.commit(
        [
            Append("runs", str(number), "ab"[number % 2], states[number % 3], SINCE + number * 7 * MINUTE, {})
            for number in range(200)
        ]
    )
    query = CountQuery(job=job, since=SINCE + 3 * MINUTE, until=SINCE + 600 * MINUTE, step=15 * MINUTE)
    found = []
    for least in (0, 1_000):
        monkeypatch.setattr(counting, "MIN_ENTRIES_OF_STEP", least)
        found.append(sorted((one.start, one.state, one.count) for one in store.count("runs", query)))
    store.close()
    assert found[0] == found[1]
    assert sum(count for _, _, count in found[0]) == (85 if job is None else 42)
