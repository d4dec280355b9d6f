"""Quarantine: a plugin that keeps failing is left out for a time, tried again, and heals by itself."""

import pytest

from rae_auto.api.plugin import Kind
from rae_auto.errors import StoreError
from rae_auto.registry.quarantine import (
    HEALTHY_SECONDS,
    MAX_FAILURES_IN_A_ROW,
    MAX_INTERVAL_SECONDS,
    MIN_INTERVAL_SECONDS,
    SLOW_COMMIT_SECONDS,
    CommitTimes,
    Quarantine,
)

pytestmark = pytest.mark.requirement("R35")


class Ward:
    """A quarantine with a virtual clock, and one notifier in two places."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.quarantine = Quarantine(lambda *_: "rae-x 1.0", lambda: self.now)

    def fail(self, times: int = 1, error: object = None, gap: float = 1.0) -> None:
        for _ in range(times):
            self.now += gap
            self.quarantine.failed(Kind.NOTIFIER, "x", "ops", error or ValueError("no"))

    def succeed(self) -> None:
        self.quarantine.succeeded(Kind.NOTIFIER, "x", "ops")

    def may_use(self, place: str = "ops") -> bool:
        return self.quarantine.may_use(Kind.NOTIFIER, "x", place)


@pytest.fixture
def ward() -> Ward:
    return Ward()


def test_failure_is_logged_once_and_quarantined_after_many(ward, log):
    ward.fail(MAX_FAILURES_IN_A_ROW - 1)
    ward.succeed()
    ward.fail()
    assert ward.may_use()
    assert log == ["ERROR {} notifier \"x\" of rae-x 1.0 failed (ops): ValueError('no')"]
    ward.fail(MAX_FAILURES_IN_A_ROW)
    assert not ward.may_use()
    assert ward.may_use("chat")
    assert [line.split()[0] for line in log] == ["ERROR", "CRITICAL"]
    assert "tried again in 1 min" in log[1]
    ward.quarantine.clear()
    assert ward.may_use()


def test_one_trial_is_allowed_in_each_interval(ward):
    ward.fail(MAX_FAILURES_IN_A_ROW)
    ward.now += MIN_INTERVAL_SECONDS
    assert (ward.may_use(), ward.may_use()) == (True, False)
    ward.now += MIN_INTERVAL_SECONDS
    assert ward.may_use()


def test_trial_that_succeeds_ends_the_quarantine(ward, log):
    ward.fail(MAX_FAILURES_IN_A_ROW)
    ward.now += MIN_INTERVAL_SECONDS
    assert ward.may_use()
    ward.succeed()
    assert (ward.may_use(), ward.may_use(), ward.quarantine.problems()) == (True, True, [])
    assert log[-1] == 'INFO {} notifier "x" of rae-x 1.0 works again (ops)'
    ward.fail(MAX_FAILURES_IN_A_ROW - 1)
    assert ward.may_use()


def test_interval_doubles_with_each_trial_that_fails(ward):
    ward.fail(MAX_FAILURES_IN_A_ROW)
    intervals = []
    for _ in range(8):
        interval = ward.quarantine.seconds_to_trial(Kind.NOTIFIER, "x", "ops")
        intervals.append(interval)
        ward.now += interval
        assert ward.may_use()
        ward.fail(gap=0)
    assert intervals == [min(MIN_INTERVAL_SECONDS * 2**n, MAX_INTERVAL_SECONDS) for n in range(8)]


def test_failures_far_apart_are_not_in_a_row(ward):
    ward.fail(3 * MAX_FAILURES_IN_A_ROW, gap=HEALTHY_SECONDS + 1)
    assert ward.may_use()
    assert ward.quarantine.report()[0]["failures"] == 3 * MAX_FAILURES_IN_A_ROW


@pytest.mark.parametrize("kind", ["direct", "cause", "context", "group"])
def test_failures_of_the_environment_do_not_count(ward, log, kind):
    ward.fail(3 * MAX_FAILURES_IN_A_ROW, environmental(kind))
    assert ward.may_use()
    assert [line.split()[0] for line in log] == ["ERROR"]


def environmental(kind: str) -> BaseException:
    refusal = StoreError("the disk is full")
    if kind == "direct":
        return refusal
    if kind == "group":
        return ExceptionGroup("several", [ValueError("x"), refusal])
    try:
        try:
            raise refusal
        except OSError as error:
            raise ValueError("no") from (error if kind == "cause" else error.__cause__)
    except ValueError as error:
        if kind == "context":
            error.__suppress_context__ = False
        return error


def test_broken_contract_is_quarantined_until_a_reload(ward, log):
    ward.quarantine.failed(Kind.TRIGGER, "odd", "a", "next_after returned nonsense", for_good=True)
    (line,) = log
    assert 'trigger "odd" of rae-x 1.0 is quarantined (a): next_after returned nonsense; correct its options' in line
    ward.now += 100 * MAX_INTERVAL_SECONDS
    ward.quarantine.succeeded(Kind.TRIGGER, "odd", "a")
    assert not ward.quarantine.may_use(Kind.TRIGGER, "odd", "a")
    assert ward.quarantine.problems() == [
        'trigger "odd" of rae-x 1.0 is quarantined (a) after 1 failure: next_after returned nonsense; '
        "correct its options and run 'rae-auto reload', or its code and restart the daemon; "
        "for its author: catch in watch what can happen in the world, "
        "and try again there"
    ]


def test_problems_say_when_it_is_tried_again(ward):
    ward.fail(MAX_FAILURES_IN_A_ROW)
    assert ward.quarantine.problems() == [
        "notifier \"x\" of rae-x 1.0 is quarantined (ops) after 10 failures: ValueError('no'); "
        "it is tried every 1 min; correct its options and run 'rae-auto reload', or its code and restart the daemon"
    ]


def test_quarantined_plugins_are_known_with_the_age_of_their_first_failure(ward):
    ward.quarantine.failed(Kind.TRIGGER, "file", "a.t", ValueError("once"))
    ward.fail(MAX_FAILURES_IN_A_ROW, gap=2.0)
    once, quarantined = ward.quarantine.problems()
    assert ward.quarantine.quarantined_problems() == [quarantined]
    assert ward.quarantine.problem_ages() == {
        once: 2.0 * MAX_FAILURES_IN_A_ROW,
        quarantined: 2.0 * (MAX_FAILURES_IN_A_ROW - 1),
    }


def test_slow_commits_in_a_row_are_a_problem_until_one_is_quick():
    class Slow:
        type = "slow"

        def commit(self, changes):
            pass

    quarantine = Quarantine(lambda *_: "rae-x 1.0")
    times = CommitTimes(quarantine, Slow())
    times.add(SLOW_COMMIT_SECONDS)
    times.add(SLOW_COMMIT_SECONDS)
    assert quarantine.problems() == []
    times.add(SLOW_COMMIT_SECONDS)
    (problem,) = quarantine.problems()
    assert problem.startswith(f'store "slow" of rae-x 1.0 failed (commit): commit takes longer than 1 s ({__file__}:')
    assert problem.endswith("for its author: write less in a commit, unless the disk or the server is what is slow")
    times.add(0.01)
    assert quarantine.problems() == []
