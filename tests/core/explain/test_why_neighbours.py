"""Why, of a time beside an occurrence: which one the answer is about, and how far away it is."""

from datetime import timedelta

import pytest
from tests.support.why import HOUR, MINUTE, a_job, answer_at, facts_of, first_active_run, world

SECONDS = timedelta(seconds=1)


@pytest.fixture
def ran():
    """A world in which an hourly job has run once, and the instant of that."""
    w = world(a_job())
    w.advance(HOUR)
    w.end(first_active_run(w))
    return w, w.history[0].scheduled_for


def test_answer_about_the_very_occurrence_names_no_neighbour(ran):
    w, due = ran
    assert "time" not in facts_of(answer_at(w, due))
    assert "time" not in facts_of(answer_at(w, due + timedelta(milliseconds=300)))


@pytest.mark.parametrize(("seconds", "text"), [(29, "29 s before"), (-40, "40 s after"), (60, "1 min before")])
def test_answer_about_a_run_nearby_says_so(ran, seconds, text):
    w, due = ran
    facts = facts_of(answer_at(w, due + seconds * SECONDS))
    assert facts["time"] == f"the nearest occurrence is that of {due}, {text} the time asked for"


def test_answer_about_a_skip_nearby_says_so_and_names_its_time():
    w = world(a_job())
    w.advance(HOUR)
    w.advance(HOUR)
    (skip,) = [decision for decision in w.decisions if decision.run is None]
    found = answer_at(w, skip.at + 30 * SECONDS)
    assert found.answer.startswith(f"a was skipped at {skip.at}: ")
    assert facts_of(found)["time"] == f"the nearest occurrence is that of {skip.at}, 30 s before the time asked for"


def test_answer_about_a_start_to_come_says_so(ran):
    w, due = ran
    facts = facts_of(answer_at(w, due + HOUR - 10 * SECONDS))
    assert facts["time"] == f"the nearest occurrence is that of {due + HOUR}, 10 s after the time asked for"


def test_answer_about_no_occurrence_names_no_neighbour(ran):
    w, due = ran
    assert "time" not in facts_of(answer_at(w, due + 2 * MINUTE))


def test_answer_within_starts_missed_together_is_about_the_due_one():
    w = world(a_job())
    start = w.now.wall
    w.crash(down=10 * HOUR + 10 * MINUTE)
    [missed] = [decision for decision in w.decisions if decision.run is None]
    assert missed.count == 9
    due = start + 3 * HOUR
    found = answer_at(w, due)
    assert found.answer.startswith(f"a was skipped at {due}: it was missed: the daemon was down (due 9 times from ")
    assert "time" not in facts_of(found)
    beside = answer_at(w, due + 20 * SECONDS)
    assert beside.answer == found.answer
    assert facts_of(beside)["time"].endswith("20 s before the time asked for")


def test_answer_between_starts_missed_together_is_that_none_was_due():
    w = world(a_job())
    due = w.now.wall + 3 * HOUR
    w.crash(down=10 * HOUR + 10 * MINUTE)
    found = answer_at(w, due + 20 * MINUTE)
    asked_for = due + 20 * MINUTE
    assert (
        found.answer == f"a did not run at {asked_for}: it was not due (due before at {due}, due after at {due + HOUR})"
    )
    assert found.reason is None
    assert "it was missed: the daemon was down" in facts_of(found)["around"]
