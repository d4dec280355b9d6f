"""Which part of the history goes."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from rae_auto import Retention, RunState
from rae_auto.api.store import RetentionRule
from rae_auto.model import documents
from rae_auto.records.retention_rules import expired_output, rules

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@frozen
class Entry:
    job: str
    state: str
    at: datetime


entries = st.lists(
    st.builds(
        Entry,
        st.sampled_from("ab"),
        st.sampled_from([state.value for state in RunState if state.final]),
        st.timedeltas(timedelta(0), timedelta(days=500)).map(lambda age: NOW - age),
    ),
    max_size=60,
).map(lambda found: sorted(found, key=lambda entry: entry.at, reverse=True))
keeps = st.builds(
    RetentionRule,
    states=st.lists(st.sampled_from([state.value for state in RunState]), max_size=3).map(tuple),
    since=st.timedeltas(timedelta(0), timedelta(days=500)).map(lambda age: NOW - age),
    newest=st.integers(0, 9),
)


def remaining(keep: RetentionRule, found: list[Entry]) -> list[Entry]:
    gone = {id(entry) for entry in keep.expired(found)}
    return [entry for entry in found if id(entry) not in gone]


@pytest.mark.requirement("R26")
@given(entries, keeps)
def test_what_stays_is_neither_old_nor_too_much(found: list[Entry], keep: RetentionRule) -> None:
    stays = [entry for entry in remaining(keep, found) if not keep.states or entry.state in keep.states]
    assert all(entry.at >= keep.since for entry in stays)
    assert all(count <= keep.newest for count in Counter(entry.job for entry in stays).values())


@pytest.mark.requirement("R26")
@given(entries, keeps)
def test_nothing_goes_without_need(found: list[Entry], keep: RetentionRule) -> None:
    for entry in keep.expired(found):
        assert not keep.states or entry.state in keep.states
        before = found[: next(n for n, other in enumerate(found) if other is entry)]
        newer = [e for e in before if e.job == entry.job and (not keep.states or e.state in keep.states)]
        assert entry.at < keep.since or len(newer) >= keep.newest


@given(entries, keeps)
def test_what_was_kept_once_is_kept_again(found: list[Entry], keep: RetentionRule) -> None:
    assert keep.expired(remaining(keep, found)) == []


@pytest.mark.requirement("R26")
@given(entries)
def test_failures_are_kept_longer_and_many_successes_dont_drive_them_out(found: list[Entry]) -> None:
    left = found
    for log, keep in rules(Retention(keep="90d", keep_failures="1y", runs=5), NOW):
        if log == documents.RUNS:
            left = remaining(keep, left)
    for entry in found:
        failed = entry.state not in ("succeeded", "skipped")
        limit = timedelta(days=365 if failed else 90)
        alike = [e for e in found if e.job == entry.job and (e.state not in ("succeeded", "skipped")) == failed]
        if entry.at >= NOW - limit and alike.index(entry) < 5:
            assert entry in left


def test_every_final_state_has_its_rule_and_decisions_have_theirs() -> None:
    found = rules(Retention(), NOW)
    states = [state for log, keep in found if log == documents.RUNS for state in keep.states]
    assert sorted(states) == sorted(state for state in RunState if state.final)
    assert [keep.states for log, keep in found if log == documents.DECISIONS] == [()]


sizes = st.dictionaries(st.integers(0, 99).map(lambda n: f"{n:026}"), st.integers(0, 100), max_size=30)


@pytest.mark.requirement("R26")
@given(sizes, st.data(), st.integers(0, 300))
def test_output_stays_within_its_bound_and_the_newest_stays(sizes: dict[str, int], data, most: int) -> None:
    job_of = {run: data.draw(st.sampled_from("ab")) for run in sizes if data.draw(st.booleans())}
    open_runs = {run for run in job_of if data.draw(st.booleans())}
    gone = expired_output(sizes, job_of, open_runs, most)
    assert not open_runs & set(gone)
    assert {run for run in sizes if run not in job_of} <= set(gone)
    for job in "ab":
        of_job = sorted((run for run in job_of if job_of[run] == job), reverse=True)
        stays = [run for run in of_job if run not in gone]
        closed = [run for run in stays if run not in open_runs]
        # Where something over stays, all that is newer counts too, and is within the bound.
        if closed:
            assert sum(sizes[run] for run in of_job if run >= closed[-1]) <= most
        assert all(sum(sizes[r] for r in of_job if r >= run) > most for run in of_job if run in gone)


def test_output_without_a_run_goes() -> None:
    assert expired_output({"x": 0}, {}, set(), 100) == ["x"]
