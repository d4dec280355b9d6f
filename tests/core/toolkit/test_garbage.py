"""Searches for garbage are rarer for a while, and as before after that."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rae_auto.toolkit.threads.garbage import RareSearches, fewer_collections, set_threshold


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_thresholds_are_as_before_when_the_last_of_overlapping_blocks_ends() -> None:
    gc.set_threshold(600, 7, 8)
    first, second = ExitStack(), ExitStack()
    first.enter_context(fewer_collections())
    second.enter_context(fewer_collections())
    first.close()
    assert gc.get_threshold()[0] > 10_000
    second.close()
    assert gc.get_threshold() == (600, 7, 8)


def test_program_without_collections_stays_without_them() -> None:
    gc.set_threshold(0, 7, 8)
    with fewer_collections():
        assert gc.get_threshold() == (0, 7, 8)
    assert gc.get_threshold() == (0, 7, 8)


def test_what_was_made_is_old_and_not_searched_next() -> None:
    gc.unfreeze()  # in case that an earlier test has frozen
    with fewer_collections():
        made = [[number] for number in range(10_000)]
    old = {id(found) for found in gc.get_objects(generation=2)}
    assert all(id(one) in old for one in made)


def test_what_a_program_has_frozen_stays_so() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with fewer_collections():
            pass
        assert gc.get_freeze_count() >= frozen - 100  # some may have been freed
    finally:
        gc.unfreeze()


def test_thresholds_that_are_set_meanwhile_are_those_to_go_back_to() -> None:
    gc.set_threshold(600, 7, 8)
    with fewer_collections():
        set_threshold(500, 6)
        assert gc.get_threshold()[0] > 10_000
    assert gc.get_threshold() == (500, 6, 8)
    set_threshold(400)
    assert gc.get_threshold() == (400, 6, 8)


def test_garbage_of_a_burst_is_found_at_its_end() -> None:
    gc.unfreeze()
    burst = RareSearches()
    burst.start()
    cycle = Cycle()
    gone = weakref.ref(cycle)
    del cycle
    assert gone() is not None
    burst.end()
    assert gone() is None


class Cycle:
    def __init__(self) -> None:
        self.me = self
