"""Numbers of entries by steps are the same by all ways of counting them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.api.store import Append, CountQuery
from rae_plugins.stores.sqlite import SqliteStore, counting

SINCE = datetime(2026, 11, 28, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("job", [None, "a"])
def test_counts_are_equal_for_many_and_few_entries(
    job: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        monkeypatch.setattr(counting, "MIN_ENTRIES_OF_STEP_OF_JOB", least)
        found.append(sorted((one.start, one.state, one.count) for one in store.count("runs", query)))
    store.close()
    assert found[0] == found[1]
    assert sum(count for _, _, count in found[0]) == (85 if job is None else 42)


@given(
    offsets=st.lists(st.integers(-2 * 60_000_000, 12 * 60_000_000), max_size=40),
    begin=st.integers(0, 59_999_999),
    span=st.integers(1, 8 * 60_000_000),
    minutes=st.integers(1, 3),
    least=st.sampled_from([0, 1_000]),
)
@settings(max_examples=12, deadline=None)
def test_each_step_has_the_entries_that_are_in_it(
    offsets: list[int], begin: int, span: int, minutes: int, least: int
) -> None:
    """Instants and bounds are microseconds, of which some are exactly where a step begins."""
    since, step = SINCE + timedelta(microseconds=begin), minutes * MINUTE
    until = since + timedelta(microseconds=span)
    instants = [since + timedelta(microseconds=one) for one in (*offsets, -1, 0, 60_000_000, 59_999_999, span)]
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MIN_ENTRIES_OF_STEP", least)
        store = SqliteStore()
        store.open(Path(place))
        store.commit([Append("runs", str(n), "a", ("good", "bad")[n % 2], at, {}) for n, at in enumerate(instants)])
        found = store.count_each_step("runs", CountQuery(since=since, until=until, step=step))
        store.close()
    shown = {(state, number): count for state, row in found.items() for number, count in enumerate(row) if count}
    states = [(("good", "bad")[n % 2], at) for n, at in enumerate(instants) if since <= at < until]
    assert shown == Counter((state, (at - since) // step) for state, at in states)
    assert {len(row) for row in found.values()} <= {-((since - until) // step)}
