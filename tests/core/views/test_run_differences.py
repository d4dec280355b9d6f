"""Differences of a run from the last good one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from rae_auto.model.job import Job
from rae_auto.model.job_state import FormerInvocation
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Attempt, Result, Run, RunState
from rae_auto.model.run_inputs import Invocation
from rae_auto.views.screens.parts.record_source import JobFacts, WorldSpan
from rae_auto.views.screens.parts.run_command import RunCommand, find_command_differences, find_run_command
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


OLD, NEW = Invocation(("old",), "/srv", ("TOKEN",)), Job(id="a", command=["new"])


def facts(*former: FormerInvocation, edited_at: datetime | None = None) -> JobFacts:
    return JobFacts(definition=NEW, info={}, former_invocations=former, edited_at=edited_at)


def test_command_is_that_of_the_time_at_which_the_run_was_decided() -> None:
    job = facts(FormerInvocation(NOON + MINUTE, OLD), FormerInvocation(NOON + 2 * MINUTE, Invocation(("middle",))))
    found = [
        find_run_command(evolve(a_run(), queued_at=NOON + MINUTE * minutes), job, []) for minutes in (0, 1, 1.5, 2, 3)
    ]
    assert [one.argv for one in found] == [("old",), ("middle",), ("middle",), ("new",), ("new",)]
    assert [one.defined_until is None for one in found] == [False, False, False, True, True]
    assert {one.subject: (one.then, one.now) for one in find_command_differences(found[0], found[3])} == {
        "command": ("old", "new"),
        "directory": ("/srv", "-"),
        "variables": ("TOKEN", "-"),
    }
    assert find_run_command(a_run(), None, []).argv == ()


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
        if is_doubted:
            assert list(find_command_differences(found, RunCommand(argv=("x",)))) == []
    compared = evolve(facts(edited_at=NOON + 2 * MINUTE), is_edit_compared=True)
    assert find_run_command(a_run(), compared, [downtime]).doubted_since is None
    noted = facts(FormerInvocation(NOON + 9 * MINUTE, OLD), edited_at=NOON + 4 * MINUTE)
    assert find_run_command(a_run(), noted, [downtime]).doubted_since is None
