"""Commits of a bounded size."""

from hypothesis import given
from hypothesis import strategies as st

from rae_auto.engine.effects import Step
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.names import JobId
from rae_auto.runtime.concurrency import commit_batches
from rae_auto.runtime.concurrency.commit_batches import MAX_BATCH_CHANGES, split_into_batches


def step_of(parts: list[int]) -> Step:
    step = Step()
    for number, size in enumerate(parts):
        for change in range(size):
            step.save(JobState(JobId(f"part-{number}-change-{change}")))
        step.keep()
    return step


@given(st.lists(st.lists(st.integers(0, 4000), max_size=6), max_size=4))
def test_batches_are_bounded_and_cut_between_parts(sizes):
    steps = [step_of(parts) for parts in sizes]
    batches = list(split_into_batches(steps))
    assert [change for batch in batches for change in batch] == [change for step in steps for change in step.changes]
    assert all(0 < len(batch) <= MAX_BATCH_CHANGES for batch in batches)
    ends = {id(part[-1]) for step in steps for part in step.parts()}
    assert all(id(batch[-1]) in ends for batch in batches)


def test_batches_are_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(commit_batches, "MAX_BATCH_BYTES", 10 * commit_batches._CHANGE_BYTES)
    assert [len(batch) for batch in split_into_batches([step_of([4, 4, 4, 20, 1])])] == [8, 4, 20, 1]
