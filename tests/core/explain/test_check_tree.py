"""The tree of checks behind an explanation: yes up to the check that decided, no there, unknown after it."""

from datetime import timedelta

import pytest
from attrs import evolve
from tests.support.why import HOUR, MINUTE, a_job, answer_at, first_active_run, view_job, world

from rae_auto.explain.answer import explain_now
from rae_auto.explain.check_node import node_of
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.run import Result
from rae_auto.simulation.virtual_engine import EPOCH
from rae_auto.views.explanations import check_lines, explanation_lines


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
    assert results_of(explanation) == {"trigger": "yes", "decision": "no", "start": "unknown", "attempts": "unknown"}
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
    assert results_of(explanation, "attempts") == {"attempt 1": "no", "retry": "no"}


def test_run_that_a_new_daemon_took_over_says_so():
    w = world(a_job(hourly=False))
    run = w.trigger("a")
    assert "took it over" not in explain_now(view_job(w)).answer
    w.crash(down=MINUTE, alive={run})
    assert "; a new daemon took it over at 2026-01-01 00:01:00" in explain_now(view_job(w)).answer
    w.end(run, Result(exit_code=0))
    explanation = explain_now(view_job(w))
    assert "; a new daemon took it over at 2026-01-01 00:01:00" in explanation.answer
    assert results_of(explanation, "attempts") == {"attempt 1": "yes", "taken over": "yes", "retry": "yes"}


def texts_of(explanation, path, result):
    """Return the texts of the checks below a path that have this result, by name."""
    (node,) = [node for node in explanation.checks if node.name == path]
    return {child.name: child.text for child in node.children if child.result.value == result}


def test_what_is_not_checked_for_a_run_by_hand_is_neither_yes_nor_no():
    w = world(a_job(hourly=False))
    run = w.trigger("a")
    w.end(run, Result(exit_code=0))
    explanation = explain_now(view_job(w))
    text = "not checked, because the run was started by hand"
    names = ("catch_up", "enabled", "paused", "skip", "guards")
    assert texts_of(explanation, "decision", "unknown") == dict.fromkeys(names, text)
    assert texts_of(explanation, "start", "unknown") == dict.fromkeys(("paused", "enabled", "guards"), text)
    lines = check_lines(explanation.record())
    assert f"    -        paused: {text}" in lines
    assert not any(line.lstrip().startswith(("yes", "no ")) and "not checked" in line for line in lines)


def test_needs_of_a_forced_run_are_not_checked():
    w = world(a_job("b", hourly=False), a_job("a", hourly=False, needs=["b"]))
    run = w.trigger("a", forced=True)
    w.end(run, Result(exit_code=0))
    explanation = explain_now(view_job(w, "a"))
    text = "not checked, because the run was started with --force"
    assert texts_of(explanation, "decision", "unknown")["needs"] == text
    assert texts_of(explanation, "start", "unknown").items() >= {"needs": text, "needs_running": text}.items()


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
    trigger, decision, start, attempts = explanation.checks
    assert (trigger.result, decision.result) == ("no", "unknown")
    assert trigger.children[0].text.startswith("not due (due before at 2026-01-01 01:00:00")
    assert results_of(explanation, "decision")["paused"] == "unknown"
    assert (start.result, attempts.result) == ("unknown", "unknown")
    assert start.text == "nothing was due, so no run was to start"
    assert {check.text for check in start.children} == {"not reached"}


def test_instant_to_come_in_a_pause_is_refused():
    w = world(a_job())
    w.pause("a")
    explanation = answer_at(w, EPOCH + 5 * HOUR)
    assert results_of(explanation) == {"trigger": "yes", "decision": "no", "start": "unknown", "attempts": "unknown"}
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
    _, decision, *_ = answer_at(w, EPOCH + 2 * HOUR).checks
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


def all_texts(explanation):
    """Return the texts of all checks of a tree."""
    nodes, texts = list(explanation.checks), []
    while nodes:
        node = nodes.pop()
        texts.append(node.text)
        nodes += node.children
    return texts


class Never:
    """A guard of the time that never lets a job start."""

    def evaluate(self, instant):
        return GuardResult(Verdict.NO, "it is a holiday")

    def changes_after(self, instant):
        return None


def test_words_of_a_guard_stand_once_in_the_tree():
    w = world(evolve(a_job(guard_timeout="0s"), guards={"holidays": Never()}))
    w.advance(HOUR)
    explanation = answer_at(w, EPOCH + HOUR)
    assert explanation.reason.code == "guard"
    assert sum("it is a holiday" in text for text in all_texts(explanation)) == 1
    lines = explanation_lines(explanation.record())
    assert [line for line in lines if "said no: it is a holiday" in line] == lines[:1]
    assert results_of(explanation, "decision", "guards") == {"holidays": "no"}


def test_skip_names_once_what_it_would_have_looked_at():
    job = evolve(a_job(needs=["b"], resources={"db": 2}, retry_policy=3), guards={"holidays": Never()})
    w = world(a_job("b", hourly=False), job, resources={"db": 2})
    w.pause("a")
    w.advance(HOUR)
    explanation = answer_at(w, EPOCH + HOUR)
    assert results_of(explanation, "decision", "needs") == {"b": "unknown"}
    assert results_of(explanation, "decision", "guards") == {"holidays": "unknown"}
    assert results_of(explanation, "start", "needs") == results_of(explanation, "start", "guards") == {}
    assert results_of(explanation, "start", "resources") == {"db": "unknown"}
    retry = explanation.checks[-1].children[-1]
    assert [str(fact) for fact in retry.facts] == ["retry: 3 attempts at most, as the job is defined now"]


@pytest.mark.parametrize(
    ("overlap", "result", "code"),
    [("skip", "no", "overlap"), ("queue", "yes", None), ("allow", "yes", None), ("replace", "yes", None)],
)
def test_minute_says_which_run_a_start_would_have_met(overlap, result, code):
    w = world(a_job(overlap=overlap))
    w.advance(HOUR)
    w.advance(40 * MINUTE)
    w.end(first_active_run(w), Result(exit_code=0))
    w.advance(10 * MINUTE)
    during, after = (answer_at(w, EPOCH + HOUR + minutes * MINUTE).checks[1] for minutes in (30, 45))
    checks = [next(check for check in one.children if check.name == "overlap") for one in (during, after)]
    assert [(one.result, one.reason) for one in checks] == [(result, code), ("yes", None)]
    assert checks[1].text == "no run of the day before was open"


def test_minute_in_a_pause_knows_it():
    w = world(a_job())
    w.advance(10 * MINUTE)
    w.pause("a")
    w.advance(10 * MINUTE)
    checks = [answer_at(w, EPOCH + minutes * MINUTE).checks[1].children[3] for minutes in (5, 15)]
    assert [(check.name, check.result) for check in checks] == [("paused", "unknown"), ("paused", "no")]
    assert checks[0].text.startswith("the present pause began at")


def test_minute_among_starts_that_were_missed_knows_why():
    w = world(a_job())
    w.advance(HOUR)
    w.end(first_active_run(w), Result(exit_code=0))
    w.crash(down=5 * HOUR)
    check = answer_at(w, EPOCH + 3 * HOUR + 20 * MINUTE).checks[1].children[0]
    assert (check.name, check.result, check.reason) == ("catch_up", "no", "missed")
    assert "of the starts from" in check.text
