"""Documents made into values: by the fields that are there, with the same outcome as by cattrs itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rae_auto import Job
from rae_auto.model import documents
from rae_auto.testing.harness import strategies

JOB = {"id": "a", "name": "a", "command": ["true"], "schedule": [{"type": "cron", "options": {"expression": "@daily"}}]}


@given(strategies.jobs())
@settings(max_examples=20)
def test_document_of_a_job_makes_an_equal_job(job: Job) -> None:
    document = json.loads(json.dumps(documents.dump(job)))
    assert documents.load(Job, document) == job


@pytest.fixture
def cattrs_alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], Any]:
    """Make documents as cattrs does by itself."""
    with monkeypatch.context() as patch:
        patch.setattr(documents, "is_convertible", lambda _: False)
        converter = documents._converter.__wrapped__()
        converter.unstructure(Job(id="a", command="true"))
        dump: Callable[[object], Any] = converter.unstructure
        return dump


@given(st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_documents_are_those_that_cattrs_makes(cattrs_alone: Callable[[object], Any], data: st.DataObject) -> None:
    value = data.draw(st.one_of(strategies.jobs(), strategies.runs))
    assert documents.dump(value) == cattrs_alone(value)


@pytest.mark.parametrize(
    "change",
    [
        {"timeout": "soon"},
        {"success_codes": [300]},
        {"env": {"A=B": "c"}},
        {"retry_policy": {"attempts": 0}},
        {"name": "two\nlines"},
        {"schedule": 7},
        {"priority": "urgent"},
        {"command": ["true"], "shell": "true"},
    ],
)
def test_faulty_document_raises_what_cattrs_raises(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception) as found:
        documents.load(Job, {**JOB, **change})
    documents._converter.cache_clear()
    monkeypatch.setattr(documents, "is_convertible", lambda _: False)
    try:
        with pytest.raises(type(found.value)) as expected:
            documents.load(Job, {**JOB, **change})
    finally:
        documents._converter.cache_clear()
    assert str(found.value) == str(expected.value)
