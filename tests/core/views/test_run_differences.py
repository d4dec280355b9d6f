"""Differences of a run from the last good one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from rae_auto.model.job import Job
from rae_auto.model.job_state import MAX_FORMER_INVOCATIONS, FormerInvocation
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Attempt, Result, Run, RunState
from rae_auto.views.screens.parts.record_source import JobFacts, WorldSpan
from rae_auto.views.screens.parts.run_command import find_run_command
from rae_auto.views.screens.run_page import find_differences

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_run(minutes: float = 1, memory: int = 1 << 20, state: RunState = RunState.SUCCEEDED, **fields: Any) -> Run:
    end = NOON + MINUTE * minutes
    result = Result(exit_code=fields.get("exit_code", 0), max_memory=memory)
    return Run(
        id=RunId("A" * 26), job=JobId("a"), trigger="cron", key="k", scheduled_for=NOON, queued_at=NOON, cause=Due(),
        state=state, started_at=NOON, attempt_started_at=NOON, finished_at=end, attempt=1,
        attempts=(Attempt(1, NOON, end, state, result),), **fields,
    )  # fmt: skip


def differences(run: Run, good: Run) -> dict[str, tuple[str, str]]:
    return {one.subject: (one.then, one.now) for one in find_differences(run, good)}


def test_runs_that_are_alike_do_not_differ() -> None:
    assert differences(a_run(1.1, memory=(1 << 20) + 9), a_run()) == {}


def test_end_duration_memory_and_trigger_are_compared() -> None:
    bad = evolve(a_run(7, memory=1 << 30, state=RunState.FAILED, exit_code=3), trigger="manual")
    assert differences(bad, evolve(a_run(), exit_code=0)) == {
        "end": ("succeeded", "failed"),
        "exit code": ("0", "3"),
        "duration": ("1 min", "7 min"),
        "memory": ("1 MB", "1 GB"),
        "trigger": ("cron", "manual"),
    }


NEW = Job(id="a", command=["new"], cwd="/srv", env={"TOKEN": "x"})


def facts(*former: FormerInvocation, edited_at: datetime | None = None) -> JobFacts:
    return JobFacts(definition=NEW, info={}, former_invocations=former, edited_at=edited_at)


def decided(minutes: float) -> Run:
    return evolve(a_run(), queued_at=NOON + MINUTE * minutes)


def test_parts_that_were_others_when_a_run_was_decided_are_not_shown() -> None:
    job = facts(
        FormerInvocation(NOON + MINUTE, ("directory",)), FormerInvocation(NOON + 2 * MINUTE, ("command", "variables"))
    )
    found = [find_run_command(decided(minutes), job, []) for minutes in (0, 1, 1.5, 2, 3)]
    assert [(one.argv, one.directory, one.variables) for one in found] == [
        ((), None, ()),
        ((), "/srv", ()),
        ((), "/srv", ()),
        (("new",), "/srv", ("TOKEN",)),
        (("new",), "/srv", ("TOKEN",)),
    ]
    assert [one.others for one in found[:2]] == [("command", "directory", "variables"), ("command", "variables")]
    assert [one.defined_until is None for one in found] == [False, False, False, True, True]
    assert find_run_command(a_run(), None, []).argv == ()


def test_command_before_the_changes_that_are_kept_is_unknown() -> None:
    """Seven changes, of which the first was that of the directory: nothing is claimed of it."""
    changes = [FormerInvocation(NOON + MINUTE * number, ("command",)) for number in range(1, 8)]
    job = facts(*changes[-MAX_FORMER_INVOCATIONS:])
    first, fourth, last = (find_run_command(decided(minutes), job, []) for minutes in (0, 4, 7))
    assert (first.is_forgotten, first.argv, first.directory, first.variables) == (True, (), None, ())
    assert (fourth.is_forgotten, fourth.argv, fourth.directory) == (False, (), "/srv")
    assert (last.is_forgotten, last.argv) == (False, ("new",))


def test_changes_between_two_runs_differ_and_others_do_not() -> None:
    job = facts(
        FormerInvocation(NOON + MINUTE, ("directory",)),
        FormerInvocation(NOON + 2 * MINUTE, ("command",)),
        FormerInvocation(NOON + 3 * MINUTE, ("command",)),
        FormerInvocation(NOON + 5 * MINUTE, ("variables",)),
    )

    def differences_of(good: float, run: float) -> list[tuple[str, str, str]]:
        found = find_differences(decided(run), decided(good), job, lambda at: f"{at:%H:%M}")
        return [(one.subject, one.then, one.now) for one in found]

    assert differences_of(1, 4) == [("command", "as defined until 12:02", "as defined since 12:03")]
    assert [subject for subject, _, _ in differences_of(0, 9)] == ["command", "directory", "variables"]
    assert differences_of(3, 4) == differences_of(6, 9) == []


def test_command_is_doubted_if_a_later_daemon_found_the_file_changed() -> None:
    downtime = WorldSpan("down", NOON + 3 * MINUTE, NOON + 5 * MINUTE, "")
    for edited, spans, is_doubted in (
        (None, [downtime], False),  # added by hand: the daemon sees each change
        (NOON - MINUTE, [downtime], False),
        (NOON + 4 * MINUTE, [downtime], True),
        (NOON + 2 * MINUTE, [downtime], True),  # saved, but not read before the next daemon
        (NOON + 6 * MINUTE, [downtime], False),
        (NOON + 4 * MINUTE, [], False),
    ):
        found = find_run_command(a_run(), facts(edited_at=edited), spans)
        assert (found.doubted_since is not None) == is_doubted, edited
    compared = evolve(facts(edited_at=NOON + 2 * MINUTE), is_edit_compared=True)
    assert find_run_command(a_run(), compared, [downtime]).doubted_since is None
    noted = facts(FormerInvocation(NOON + 9 * MINUTE), edited_at=NOON + 4 * MINUTE)
    assert find_run_command(a_run(), noted, [downtime]).doubted_since is None
