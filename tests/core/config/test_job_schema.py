"""`schemas/scheduler/job.json` describes everything that a store keeps of a job."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from rae_auto.config.schema import job_schema
from rae_auto.model.documents import dump, load
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.run import Run
from rae_auto.testing.harness import strategies

SCHEMA = job_schema()
COMMITTED = Path(__file__).resolve().parents[3] / "schemas" / "scheduler" / "job.json"


def fault_of(document: Any, definition: str) -> str | None:
    # As JSON, since that is what is kept.
    document = json.loads(json.dumps(document))
    schema = {"$ref": f"#/definitions/{definition}", "definitions": SCHEMA["definitions"]}
    for validator in (jsonschema.Draft7Validator(SCHEMA), jsonschema.Draft7Validator(schema)):
        for error in validator.iter_errors(document):
            return error.message
    return None


@given(strategies.jobs())
def test_stored_job_validates_and_round_trips(job: Job) -> None:
    assert fault_of(dump(job), "configuration") is None
    assert load(Job, json.loads(json.dumps(dump(job)))) == job


@given(strategies.runs)
def test_stored_run_validates_and_round_trips(run: Run) -> None:
    assert fault_of(dump(run), "run") is None
    assert load(Run, json.loads(json.dumps(dump(run)))) == run


@given(strategies.job_states)
def test_stored_job_state_validates_and_round_trips(state: JobState) -> None:
    assert fault_of(dump(state), "state") is None
    assert load(JobState, json.loads(json.dumps(dump(state)))) == state


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "a", "unknown": 1},
        {"id": "../a"},
        {"id": "a", "timeout": "soon"},
        {"id": "a", "retry_policy": {"attempts": 0}},
        {"id": "a", "schedule": "* * * * *"},
        {"job": "a", "last_state": "dozing"},
        {"id": "R", "job": "a", "state": "queued"},
    ],
)
def test_schema_refuses_other_documents(document: Any) -> None:
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(document)


def test_committed_schema_matches_the_code() -> None:
    written = json.dumps(SCHEMA, indent=2) + "\n"
    assert COMMITTED.read_text() == written, "rae-auto schema job > schemas/scheduler/job.json"


def test_schema_is_valid_draft_07_with_a_version() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["version"] == "1.0.0"
