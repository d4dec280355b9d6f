"""The store in its own thread."""

from datetime import UTC, datetime

import pytest
from tests.support.control_peer import in_time
from tests.support.log_lines import captured_log
from tests.support.runs import make_run

from rae_auto.api.store import LogQuery, RetentionRule
from rae_auto.engine.effects import Record
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.model import documents
from rae_auto.model.reasons import Fired
from rae_auto.model.run import RunState
from rae_auto.runtime.repository import Repository
from rae_auto.testing.memory_store import MemoryStore

AT = datetime(2026, 1, 31, tzinfo=UTC)
RUN = make_run(run="01M5R5PS00DTK96VQVQ92TAA6Q", at=AT, cause=Fired(), state=RunState.SUCCEEDED, finished_at=AT)


def test_query_after_the_start_of_a_commit_finds_what_it_wrote(tmp_path):
    """Else a run that has just ended would be nowhere for a moment: open no more, and not yet on record."""

    async def play():
        archive = Repository(MemoryStore())
        await archive.open(tmp_path)
        committing = archive.commit([Record(RUN)])
        found = await archive.runs(LogQuery(key=RUN.id))
        await committing
        await archive.close()
        return found

    assert in_time(play) == [RUN]


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "is_problem"),
    [
        (StoreDamaged("not today"), False),
        (StoreError("not today"), True),
        (RuntimeError("not today"), True),
        (SystemExit("not today"), True),
    ],
)
@pytest.mark.parametrize(
    "make_check",
    [lambda error: fail(error), lambda error: lambda: fail(error), lambda error: lambda: lambda: fail(error)],
    ids=["made", "carried out", "repaired"],
)
def test_check_that_fails_is_reported_and_has_ended(tmp_path, error, is_problem, make_check):
    """Removals wait for its end alone."""

    class Failing(MemoryStore):
        def make_check(self):
            return make_check(error)

    async def play():
        archive = Repository(Failing())
        await archive.open(tmp_path)
        await archive.check_rest()
        assert await archive.prune(documents.RUNS, RetentionRule(since=AT, newest=1)) == []
        problems = archive.problems
        await archive.close()
        return problems

    with captured_log() as log:
        problems = in_time(play)
    assert [line for line in log if "not today" in line]
    assert ["not today" in line for line in problems] == [True] * is_problem
