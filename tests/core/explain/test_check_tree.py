"""The tree of checks behind an explanation: yes up to the check that decided, no there, unknown after it."""

from datetime import timedelta

from tests.support.why import HOUR, MINUTE, a_job, answer_at, view_job, world

from rae_auto.explain.answer import explain_now
from rae_auto.explain.check_node import node_of
from rae_auto.model.run import Result
from rae_auto.simulation.virtual_engine import EPOCH


def results_of(explanation, *path):
    """Return the results of the checks below a path, by name."""
    nodes = explanation.checks
    for name in path:
        nodes = next(node for node in nodes if node.name == name).children
    return {node.name: node.result.value for node in nodes}


def test_skip_says_yes_up_to_the_check_that_decided():
    w = world(a_job())
    w.advance(HOUR)
    w.advance(HOUR)
    explanation = answer_at(w, EPOCH + 2 * HOUR)
    assert results_of(explanation) == {"trigger": "yes", "decision": "no"}
    checks = results_of(explanation, "decision")
    assert list(checks.items()) == [
        ("catch_up", "yes"),
        ("usable", "yes"),
        ("enabled", "yes"),
        ("paused", "yes"),
        ("skip", "yes"),
        ("overlap", "no"),
        ("queue", "unknown"),
        ("needs", "unknown"),
        ("guards", "unknown"),
        ("feedback_loop", "unknown"),
    ]


def test_finished_run_has_its_attempts():
    w = world(a_job())
    w.advance(HOUR)
    w.end(next(iter(w.active_starts)), Result(exit_code=3))
    explanation = answer_at(w, EPOCH + HOUR)
    assert results_of(explanation) == {"trigger": "yes", "decision": "yes", "start": "yes", "attempts": "no"}
    assert results_of(explanation, "attempts") == {"attempt 1": "no"}


def test_run_that_a_new_daemon_took_over_says_so():
    w = world(a_job(hourly=False))
    run = w.trigger("a")
    assert "took it over" not in explain_now(view_job(w)).answer
    w.crash(down=MINUTE, alive={run})
    assert "; a new daemon took it over at 2026-01-01 00:01:00" in explain_now(view_job(w)).answer
    w.end(run, Result(exit_code=0))
    explanation = explain_now(view_job(w))
    assert "; a new daemon took it over at 2026-01-01 00:01:00" in explanation.answer
    assert results_of(explanation, "attempts") == {"attempt 1": "yes", "taken over": "yes"}


def test_waiting_run_names_the_check_that_blocks_it():
    w = world(a_job("b"), a_job("a", needs=["b"]))
    w.advance(HOUR)
    explanation = explain_now(view_job(w, "a"))
    assert results_of(explanation, "start")["needs_running"] == "no"
    assert results_of(explanation, "start")["parallel"] == "yes"
    assert results_of(explanation, "start")["guards"] == "unknown"


def test_minute_at_which_nothing_was_due_has_a_tree_too():
    w = world(a_job())
    w.advance(3 * HOUR)
    explanation = answer_at(w, EPOCH + HOUR + 20 * MINUTE)
    trigger, decision = explanation.checks
    assert (trigger.result, decision.result) == ("no", "unknown")
    assert trigger.children[0].text.startswith("not due (due before at 2026-01-01 01:00:00")
    assert results_of(explanation, "decision")["paused"] == "unknown"


def test_instant_to_come_in_a_pause_is_refused():
    w = world(a_job())
    w.pause("a")
    explanation = answer_at(w, EPOCH + 5 * HOUR)
    assert results_of(explanation) == {"trigger": "yes", "decision": "no"}
    assert results_of(explanation, "decision")["paused"] == "no"


def test_repeated_event_was_decided_before():
    w = world(a_job(hourly=False))
    w.fire("a", "source", "one")
    w.advance(timedelta(seconds=5))
    w.fire("a", "source", "one")
    explanation = explain_now(view_job(w))
    assert explanation.checks


def test_tree_survives_its_json_form():
    w = world(a_job())
    w.advance(2 * HOUR)
    checks = answer_at(w, EPOCH + HOUR).checks
    assert tuple(node_of(check.record()) for check in checks) == checks


def test_what_decided_comes_before_checks_with_nothing_to_say():
    w = world(a_job())
    w.advance(HOUR)
    w.advance(HOUR)
    _, decision = answer_at(w, EPOCH + 2 * HOUR).checks
    assert [check.name for check in decision.notable] == ["overlap"]
    routine = {words: [check.name for check in found] for words, found in decision.routine.items()}
    assert routine == {
        "passed": ["catch_up", "usable", "enabled", "paused", "skip"],
        "not checked": ["queue", "needs", "guards", "feedback_loop"],
    }
    folded = [check["name"] for check in decision.record()["children"] if check["is_routine"]]
    assert folded == [name for names in routine.values() for name in names]


def test_run_says_whether_it_was_decided_when_it_was_due():
    w = world(a_job())
    w.advance(HOUR)
    _, decision, *_ = explain_now(view_job(w)).checks
    assert decision.children[0].text == "it was decided when it was due"
    w.end(next(iter(w.active_starts)), Result(exit_code=0))
    w.crash(down=HOUR + 5 * MINUTE)
    _, decision, *_ = explain_now(view_job(w)).checks
    assert [check.name for check in decision.notable] == ["catch_up"]
