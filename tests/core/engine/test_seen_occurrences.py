"""Occurrences that no cursor covers are remembered, but not for ever."""

import pytest

from rae_auto.engine.commands import Trigger
from rae_auto.engine.state import MAX_SEEN_PER_TRIGGER
from rae_auto.model.decision import MANUAL, Occurrence
from rae_auto.model.job_state import SeenOccurrence


def test_oldest_event_ids_are_dropped_from_state_and_store(world, job):
    w = world(job("a"), job("b"))
    w.fire("b", "file", "other")
    for number in range(MAX_SEEN_PER_TRIGGER + 3):
        w.fire("a", "file", f"{number}")
    kept = [seen.key for seen in w.stored(SeenOccurrence) if seen.job == "a"]
    assert sorted(map(int, kept)) == list(range(3, MAX_SEEN_PER_TRIGGER + 3))
    assert len(w.engine.remembered("a")) == MAX_SEEN_PER_TRIGGER
    assert [seen.key for seen in w.engine.remembered("b")] == ["other"]


@pytest.mark.requirement("R1")
def test_event_id_that_is_still_remembered_is_decided_once(world, job):
    w = world(job("a"))
    for number in range(MAX_SEEN_PER_TRIGGER + 3):
        w.fire("a", "file", f"{number}")
    decided = len(w.decisions)
    w.fire("a", "file", f"{MAX_SEEN_PER_TRIGGER}")
    assert len(w.decisions) == decided


@pytest.mark.parametrize("can_repeat", [True, False])
def test_request_is_remembered_only_if_it_can_repeat(world, job, can_repeat):
    w = world(job("a"))
    for key in ("one", "two"):
        w.feed(Trigger(Occurrence("a", MANUAL, key, w.now.wall), can_repeat=can_repeat))
    assert [seen.key for seen in w.stored(SeenOccurrence)] == (["one", "two"] if can_repeat else [])
    assert len(w.decisions) == 2
