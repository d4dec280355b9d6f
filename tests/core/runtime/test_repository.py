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
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
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


class UnparsedStore(MemoryStore):
    """A store that returns three jobs, and three states, as JSON: the text of the second one is damaged."""

    def load_packed(self, kind):
        field = "id" if kind == documents.JOB else "job"
        texts = {key: f'{{"{field}":"{key}"{self.rest}}}'.encode() for key in "abc"}
        yield [(key, text[:-1] if key == "b" else text) for key, text in texts.items()]


@pytest.mark.parametrize(
    ("kind", "cls", "rest"), [(documents.JOB, Job, ',"command":["true"]'), (documents.STATE, JobState, "")]
)
def test_document_that_is_no_json_costs_itself_alone(tmp_path, kind, cls, rest):
    async def play():
        store = UnparsedStore()
        store.rest = rest
        archive = Repository(store)
        await archive.open(tmp_path)
        found = await archive.load(kind, cls)
        await archive.close()
        return found

    values, unreadable = in_time(play)
    assert [documents.document_key(value) for value in values] == [(kind, "a"), (kind, "c")]
    assert [(one.kind, one.key, one.job) for one in unreadable] == [(kind, "b", "b")]
    assert unreadable[0].problem.startswith("it can't be understood")
    assert unreadable[0].text.startswith("{")


@pytest.mark.parametrize(
    ("texts", "good"),
    [
        (['{"job": "a", "paused": true', '"ran": 1}', '{"job": "c"}'], ["c"]),
        (['{"job": "a"}, {"job": "x"}', '{"job": "b"}', '{"job": "c"}'], ["b", "c"]),
        (['{"job": "a"}', "", '{"job": "c"}'], ["a", "c"]),
        (["[1", "2]", '{"job": "c"}'], ["c"]),
    ],
)
def test_text_that_is_no_json_costs_its_own_document(tmp_path, texts, good):
    """Also where it would be some with that of the next one."""

    class Odd(MemoryStore):
        def load_packed(self, kind):
            yield [(key, text.encode()) for key, text in zip("abc", texts, strict=True)]

    async def play():
        archive = Repository(Odd())
        await archive.open(tmp_path)
        states, unreadable = await archive.load(documents.STATE, JobState)
        await archive.close()
        return [state.job for state in states], [item.key for item in unreadable]

    assert in_time(play) == (good, [key for key in "abc" if key not in good])
