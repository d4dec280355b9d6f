"""Jobs whose documents are alike, and their states: each is what its own document says."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from cattrs import ClassValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.plugin_ref import Interval
from rae_auto.model.primitives.names import JobId
from rae_auto.testing.harness import strategies

SOME_IDS = st.sampled_from(["a", "b", "ab", "a-b"]).map(JobId)

ALIKE = [
    {"command": ["true"]},
    {"command": ["echo", "a"]},
    {"command": ["echo", "b"]},
    {"shell": 'echo "a" "b"'},
    {"command": ["true"], "needs": ["b"]},
    {"command": ["true"], "env": {"a": "b"}},
    {"command": ["true"], "name": "a"},
    {"python": "time:time", "args": [["x"]]},
    {"python": "time:time", "kwargs": {"a": {"x": "a"}}},
]


def _read_all(texts: Sequence[tuple[str, bytes]]) -> Sequence[Job | Exception]:
    reader = documents.DocumentReader(Job)
    return [value for key, text in texts for value in reader.read([(key, text)])]


def _text(document: Any) -> bytes:
    return json.dumps(document).encode()


@given(st.lists(strategies.jobs(SOME_IDS) | strategies.jobs(), max_size=6))
@settings(max_examples=50)
def test_jobs_come_back_as_they_were(jobs: list[Job]) -> None:
    assert _read_all([(job.id, _text(documents.dump(job))) for job in jobs]) == jobs


@given(st.lists(st.tuples(SOME_IDS, st.sampled_from(ALIKE)), max_size=12))
def test_each_alike_job_is_what_its_own_document_says(chosen: list[tuple[str, dict[str, Any]]]) -> None:
    written = [(key, {"name": key, "id": key, **fields}) for key, fields in chosen]
    valid = [(key, document) for key, document in written if key not in document.get("needs", ())]
    read = _read_all([(key, _text(document)) for key, document in valid])
    assert read == [documents.load(Job, document) for _, document in valid]
    assert all(job.name is job.id for job in read if job.name == job.id)


def test_copies_of_a_job_share_no_arguments_that_a_function_can_change() -> None:
    fields = {"python": "time:time", "args": [["x"]], "kwargs": {"deep": {"x": 1}}}
    first, second = _read_all([(key, _text({"id": key, **fields})) for key in "ab"])
    first.args[0].append("y")
    first.kwargs["deep"]["x"] = 2
    assert (second.args, second.kwargs) == ((["x"],), {"deep": {"x": 1}})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b'{"id":\0,"name":\0,"command":["true"]}', ValueError),
        (b'{"id":"b","name":"b","command":["true"]', ValueError),
        (b'{"id":"b","name":"b","command":["true"],"needs":["b"]}', ClassValidationError),
    ],
)
def test_document_that_resembles_others_is_refused_for_what_is_wrong(text: bytes, error: type[Exception]) -> None:
    _, value = _read_all([("a", b'{"id":"a","name":"a","command":["true"]}'), ("b", text)])
    assert isinstance(value, error)


def test_key_that_is_no_name_makes_no_other_document() -> None:
    key = 'b","enabled":false,"cwd":"b'
    other = _text({"id": "b", "name": "b", "command": ["true"]})
    _, job = _read_all([("a", b'{"id":"a","name":"a","command":["true"]}'), (key, other)])
    assert job.enabled
    assert job.id == "b"


def test_documents_may_be_of_a_store_with_mappings_and_numbers_of_its_own() -> None:
    own_dict, own_int = type("Commented", (dict,), {}), type("Long", (int,), {})
    schedule = own_dict(type="interval", id="interval", options=own_dict(every=own_int(60)))
    job = documents.load(Job, {"id": "a", "name": "a", "command": ["true"], "schedule": [schedule]})
    assert job == Job(id=JobId("a"), command="true", schedule=Interval(60))


@pytest.mark.parametrize("word", ['"{}"', '"say \\"{}"'])
def test_name_in_numbers_of_its_letters_is_not_taken_for_another(word: str) -> None:
    texts = [
        (key, f'{{"id":"\\u0061","name":"x","command":["echo",{word.format(key)}]}}'.encode())
        for key in ("a", "b", "a")
    ]
    assert _read_all(texts) == [documents.load(Job, json.loads(text)) for _, text in texts]


STATES = [
    {},
    {"paused": True, "pause_note": "a"},
    {"cursors": {"a": {"at": "2026-01-01T00:00:00+00:00", "schedule": "b", "since": "2026-01-01T00:00:00+00:00"}}},
    {"cursors": {"c": {"at": "2026-01-01T00:00:00+00:00", "schedule": "b", "since": "2026-01-01T00:00:00+00:00"}}},
    {"added_by": {"at": "2026-01-01T00:00:00+00:00", "via": "python", "user": "a"}},
    {"last_state": "succeeded", "last_run": "a", "totals": {"succeeded": {"count": 1}}},
    {"last_state": "failed", "last_run": "b", "totals": {"failed": {"count": 2}}},
    {"former_ids": ["b"]},
]


@given(st.lists(st.tuples(SOME_IDS, st.sampled_from(STATES)), max_size=12), st.integers(1, 4))
def test_each_alike_state_is_what_its_own_document_says(chosen: list[tuple[str, dict[str, Any]]], at_once: int) -> None:
    reader = documents.DocumentReader(JobState)
    some = [(key, {"job": key, **fields}) for key, fields in chosen]
    packed = [(key, _text(document)) for key, document in some]
    read = [value for first in range(0, len(some), at_once) for value in reader.read(packed[first : first + at_once])]
    assert read == [documents.load(JobState, document) for _, document in some]


@given(st.lists(st.sampled_from(["good", "other", "broken", "no state"]), max_size=8))
def test_state_that_can_not_be_read_costs_no_other_one(chosen: list[str]) -> None:
    texts = {
        "good": '{{"job":"{}"}}',
        "other": '{{"job":"{}","paused":true}}',
        "broken": "{{",
        "no state": '{{"x":"{}"}}',
    }
    some = [(f"j{n}", texts[kind].format(f"j{n}").encode()) for n, kind in enumerate(chosen)]
    read = documents.DocumentReader(JobState).read(some)
    assert [isinstance(value, Exception) for value in read] == [kind in ("broken", "no state") for kind in chosen]
    assert all(isinstance(value, Exception) or value.job == key for (key, _), value in zip(some, read, strict=True))
