"""Runs whose documents are read without parsing them: which ones are, and that the facts are the same as by parsing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto import Run, RunState
from rae_auto.model import documents
from rae_auto.model.figures.usual_runs import split_usual_runs
from rae_auto.model.job import JobId
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import CaughtUp, Due, Fired, Manual, MissedCause, NeedFailed
from rae_auto.model.reasons.requesters import Requester, RequestWay
from rae_auto.model.run import Attempt, ClockStep, Result
from rae_auto.records.statistics import read_facts, read_packed_facts
from rae_auto.testing.harness import strategies
from rae_plugins.stores.checksum import pack_json

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=3.25)
FAILED = Attempt(1, NOON, LATER, RunState.FAILED, Result(exit_code=1, error='no "}}]}', cpu_time=timedelta(seconds=1)))
RUN = Run(
    id=RunId("r"),
    job=JobId("a"),
    trigger="cron",
    key="k",
    scheduled_for=NOON,
    queued_at=NOON,
    cause=Due(),
    state=RunState.SUCCEEDED,
    started_at=NOON,
    attempt_started_at=NOON,
    finished_at=LATER,
    attempt=1,
    exit_code=0,
    attempts=(Attempt(1, NOON, LATER, RunState.SUCCEEDED, Result(exit_code=0, value={"a": [1]})),),
)

# What a pattern could take for the end of something, or for a field.
words = st.sampled_from(
    ['"', "\\", '",', '","', "{", "}", "}}]}", "[", "]", ":", '"job":"', '"state":"lost"', "ä", "\n"]
)
odd_texts = st.lists(words | st.text(max_size=3), max_size=6).map("".join)


def pack(body: Mapping[str, Any]) -> bytes:
    return pack_json(body).encode()


def is_usual(run: Run) -> bool:
    [fields] = split_usual_runs([pack(documents.dump(run))])
    assert all(fields[4:]) or not any(fields)
    return any(fields)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cause": CaughtUp(MissedCause.DOWN)},
        {"cause": Manual(forced=True)},
        {"cause": Fired(), "event": {"paths": ["a {b}", '"ä'], "size": 1}},
        {"state": RunState.FAILED, "attempt": 2, "attempts": (FAILED, evolve(FAILED, number=2)), "exit_code": -9},
        {"job": JobId("ä"), "key": "a, {b}: [c\\"},
        {"state": RunState.TIMED_OUT, "exit_code": None},
    ],
)
def test_usual_run_is_known_by_its_text(changes: dict[str, Any]) -> None:
    assert is_usual(evolve(RUN, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"event": {"a": {"b": 1}}},
        {"cause": Manual(by=Requester(at=NOON, via=RequestWay.COMMAND_LINE))},
        {"state": RunState.LOST},
        {"attempts": (Attempt(1, NOON, LATER, RunState.LOST), evolve(FAILED, number=2)), "attempt": 2},
        {"clock_steps": (ClockStep(1, 3600),)},
        {"started_at": None, "attempt": 0},
        {"state": RunState.SKIPPED, "reason": NeedFailed(JobId("b"))},
    ],
)
def test_other_run_is_left_to_be_parsed_and_its_neighbours_are_not(changes: dict[str, Any]) -> None:
    other = evolve(RUN, **changes)
    assert not is_usual(other)
    bodies = [documents.dump(run) for run in (RUN, other, other, RUN)]
    assert [any(fields) for fields in split_usual_runs([*map(pack, bodies)])] == [True, False, False, True]
    assert read_packed_facts([*map(pack, bodies)]) == [*map(read_facts, bodies)]


@given(st.lists(strategies.runs, max_size=2))
@settings(max_examples=30)
def test_facts_are_the_same_whether_a_run_is_parsed_or_not(runs: list[Run]) -> None:
    bodies = [documents.dump(run) for run in runs]
    assert read_packed_facts([*map(pack, bodies)]) == read_packed_facts(bodies) == [*map(read_facts, bodies)]


@given(st.data())
def test_odd_texts_are_taken_for_nothing_else(data: st.DataObject) -> None:
    body = dict(documents.dump(RUN))
    for name in data.draw(st.sets(st.sampled_from(sorted(body.keys() - {"attempts"})))):
        body[name] = data.draw(odd_texts)
    facts = data.draw(st.none() | st.dictionaries(odd_texts, odd_texts | st.lists(odd_texts), max_size=2))
    if facts is not None:
        body["cause"] = {"code": "manual", **facts}
    body["attempt"] = data.draw(st.integers(1, 3))
    body["attempts"] = [{**body["attempts"][0], "result": {"error": data.draw(odd_texts)}}]
    assert read_packed_facts([pack(body)]) == [read_facts(body)]


@pytest.mark.parametrize(
    "written",
    [
        lambda body: json.dumps(body, indent=1),
        lambda body: json.dumps(dict(reversed(body.items()))),
        lambda body: pack_json({**body, "started_at": "soon"}),
        lambda body: pack_json({**body, "started_at": "2026-01-31T12:00:00"}),
        lambda body: pack_json({**body, "scheduled_for": "2026-01-31T12:00:00"}),
    ],
)
def test_document_that_is_written_otherwise_is_parsed(written: Any) -> None:
    body = documents.dump(RUN)
    text = written(body).encode()
    assert read_packed_facts([text, pack(body)]) == [read_facts(json.loads(text)), read_facts(body)]


def test_document_of_another_program_has_no_facts() -> None:
    assert read_packed_facts([b"{}", pack(documents.dump(RUN))])[0] is None
    assert read_packed_facts([]) == []
