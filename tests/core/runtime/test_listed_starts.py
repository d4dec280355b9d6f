"""Lists of starts: whatever is committed, what is read from the store is what was written last."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.runs import make_run

from rae_auto.api.store import Change as StoreChange
from rae_auto.api.store import CorruptDocument, Put
from rae_auto.engine.effects import Change, Discard, Record, Save
from rae_auto.errors import StoreError
from rae_auto.model import documents
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Run, RunState
from rae_auto.records.documents.start_lists import load_documents, settle
from rae_auto.runtime.concurrency.listed_starts import MIN_STARTS, ListedStarts
from rae_auto.runtime.repository import commit_with_lists
from rae_auto.testing.harness import strategies
from rae_auto.testing.memory_store import MemoryStore

RUNS = [f"{number:026}" for number in range(MIN_STARTS + 9)]

Commit = Sequence[Change]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MemoryStore]:
    store = MemoryStore()
    store.open(tmp_path)
    yield store
    store.close()


def start(number: int, **fields: object) -> Run:
    return make_run(f"job-{number}", run=RUNS[number], **{"state": RunState.STARTING, "attempt": 1, **fields})


def state(number: int, failures: int = 0) -> JobState:
    return JobState(JobId(f"job-{number}"), failures=failures)


def starts(numbers: Sequence[int], failures: int = 0) -> Commit:
    return [save for number in numbers for save in (Save(start(number)), Save(state(number, failures)))]


def end(number: int) -> Commit:
    run = evolve(start(number), state=RunState.SUCCEEDED, finished_at=start(number).queued_at)
    return [Discard(run), Record(run), Save(state(number, failures=9))]


def read(store: MemoryStore) -> dict[tuple[str, str], object]:
    found = {}
    for kind, cls in ((documents.RUN, Run), (documents.STATE, JobState)):
        for key, body in load_documents(store, kind):
            assert not isinstance(body, CorruptDocument)
            found[kind, key] = documents.load(cls, body)
    return found


def count(store: MemoryStore, kind: str) -> int:
    return sum(1 for _ in store.load(kind))


MANY = range(MIN_STARTS)

numbers = st.lists(st.integers(0, len(RUNS) - 1), min_size=1, unique=True)
commits = st.lists(
    st.one_of(
        st.builds(starts, numbers, st.integers(0, 3)),
        numbers.map(lambda some: [change for number in some for change in end(number)]),
        st.builds(
            lambda some, later: [*starts(some), *(one for number in later for one in end(number))], numbers, numbers
        ),
        st.integers(0, len(RUNS) - 1).map(
            lambda number: [Save(start(number, handle={"pid": 1}, state=RunState.RUNNING))]
        ),
        st.integers(0, len(RUNS) - 1).map(lambda number: [Save(state(number, failures=7))]),
    ),
    max_size=12,
)


@given(commits, st.booleans())
@settings(max_examples=40)
def test_what_is_read_is_what_was_written_last(
    tmp_path_factory: pytest.TempPathFactory, done: list[Commit], is_new: bool
) -> None:
    store, listed, expected = MemoryStore(), ListedStarts(), {}
    store.open(tmp_path_factory.mktemp("store"))
    for commit in done:
        commit_with_lists(store, listed, commit)
        for change in commit:
            if isinstance(change, Save):
                expected[documents.document_key(change.value)] = change.value
            elif isinstance(change, Discard):
                expected.pop(documents.document_key(change.value), None)
        assert read(store) == expected
        if is_new:
            settle(store)
            listed = ListedStarts()
            assert count(store, documents.STARTS) == 0
            assert read(store) == expected


@given(st.lists(strategies.runs, min_size=1, max_size=4), st.lists(strategies.job_states, max_size=4))
@settings(max_examples=15)
def test_differences_lose_nothing(runs: list[Run], states: list[JobState]) -> None:
    for values in (runs, states):
        for value, other in zip(values, [*values[1:], *values[:1]], strict=True):
            written = json.loads(json.dumps([documents.dump(other), documents.dump_difference(value, other)]))
            assert documents.load(type(value), documents.apply_difference(*written)) == value


def test_many_starts_are_one_document_and_few_are_not(store: MemoryStore) -> None:
    listed = ListedStarts()
    commit_with_lists(store, listed, starts(MANY[1:]))
    assert [count(store, kind) for kind in (documents.STARTS, documents.RUN)] == [0, MIN_STARTS - 1]
    commit_with_lists(store, listed, starts(MANY))
    assert count(store, documents.STARTS) == 1


def test_starts_beside_as_many_ends_are_documents_of_their_own(store: MemoryStore) -> None:
    ends = [change for number in range(MIN_STARTS, len(RUNS)) for change in end(number)]
    commit_with_lists(store, ListedStarts(), [*starts(MANY), *ends])
    assert [count(store, kind) for kind in (documents.STARTS, documents.RUN)] == [0, MIN_STARTS]


def test_document_that_a_list_has_too_is_read_from_the_list(store: MemoryStore) -> None:
    commit_with_lists(store, ListedStarts(), starts(MANY, failures=2))
    store.commit([Put(documents.STATE, "job-0", documents.dump(state(0, failures=1)))])
    assert read(store)[documents.STATE, "job-0"] == state(0, failures=2)


def test_commit_that_failed_when_it_was_durable_leaves_one_list(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_and_fail(self: MemoryStore, changes: Sequence[StoreChange]) -> None:
        commit(self, changes)
        raise StoreError("no space left on device")

    listed, commit = ListedStarts(), MemoryStore.commit
    with monkeypatch.context() as failing, pytest.raises(StoreError):
        failing.setattr(MemoryStore, "commit", commit_and_fail)
        commit_with_lists(store, listed, starts(MANY))
    commit_with_lists(store, listed, starts(MANY))
    assert count(store, documents.STARTS) == 1


def test_list_is_written_again_once_and_then_dissolved(store: MemoryStore) -> None:
    listed = ListedStarts()
    commit_with_lists(store, listed, starts(range(len(RUNS))))
    commit_with_lists(store, listed, end(0))
    assert [count(store, kind) for kind in (documents.STARTS, documents.RUN)] == [1, 0]
    commit_with_lists(store, listed, end(1))
    assert [count(store, kind) for kind in (documents.STARTS, documents.RUN)] == [0, len(RUNS) - 2]


def test_ends_of_all_leave_no_document_of_a_run(store: MemoryStore) -> None:
    listed = ListedStarts()
    commit_with_lists(store, listed, starts(MANY))
    commit_with_lists(store, listed, [change for number in MANY for change in end(number)])
    assert [count(store, kind) for kind in (documents.STARTS, documents.RUN)] == [0, 0]
    assert count(store, documents.STATE) == MIN_STARTS
