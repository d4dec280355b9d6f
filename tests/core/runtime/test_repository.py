"""The store in its own thread."""

from datetime import UTC, datetime

import pytest
from tests.support.control_peer import in_time
from tests.support.log_lines import captured_log
from tests.support.runs import make_run

from rae_auto.api.store import LogQuery
from rae_auto.engine.effects import Record
from rae_auto.errors import StoreDamaged
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


@pytest.mark.parametrize("error", [RuntimeError("not today"), StoreDamaged("not today")])
def test_store_that_fails_to_make_its_check_is_reported(tmp_path, error):
    class Failing(MemoryStore):
        def make_check(self):
            raise error

    async def play():
        archive = Repository(Failing())
        await archive.open(tmp_path)
        await archive.check_rest()
        await archive.close()

    with captured_log() as log:
        in_time(play)
    assert [line for line in log if "not today" in line]
