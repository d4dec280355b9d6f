"""Searches for garbage are rarer for a while, and as before after that."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rae_auto.toolkit.threads.garbage import fewer_collections


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
